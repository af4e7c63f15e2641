import { Button, Stack, Text, TextInput } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { useSession } from "../../api/session.ts";
import { isTooShort, NewPasswordInput } from "../../parts/new-password-input.tsx";
import { Failed } from "../../parts/states.tsx";
import { Door } from "./door.tsx";

/** Makes the first user, for whoever has the link that the daemon printed. */
export function SetUp(): ReactElement {
  const [token] = useState(() => window.location.hash.slice(1));
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const setUp = useSession<{ token: string; name: string; password: string }>("POST", "/api/set-up");
  return (
    <Door title="The first user">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setUp.mutate({ token, name, password }, { onSuccess: () => void navigate("/", { replace: true }) });
        }}
      >
        <Stack>
          <Text size="sm">The first user is an admin, and can add others.</Text>
          <TextInput
            label="Name"
            autoComplete="username"
            required
            value={name}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
          <NewPasswordInput label="Password" value={password} onChange={setPassword} />
          {setUp.error === null ? null : <Failed error={setUp.error} />}
          <Button type="submit" loading={setUp.isPending} disabled={isTooShort(password)}>
            Set up
          </Button>
        </Stack>
      </form>
    </Door>
  );
}
