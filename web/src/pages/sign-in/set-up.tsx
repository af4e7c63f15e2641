import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { useSession } from "../../api/session.ts";
import { Failed } from "../../parts/states.tsx";
import { Door } from "./door.tsx";

const SHORTEST = 12;

/** Makes the first user, for whoever has the link that the daemon printed. */
export function SetUp(): ReactElement {
  const [token] = useState(() => window.location.hash.slice(1));
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const navigate = useNavigate();
  const setUp = useSession<{ token: string; name: string; password: string }>("POST", "/api/set-up");
  const short = password !== "" && password.length < SHORTEST;
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
          <PasswordInput
            label="Password"
            description={`${SHORTEST} characters at least; a few words in a row are easy to type`}
            autoComplete="new-password"
            required
            error={short ? `${SHORTEST - password.length} more` : undefined}
            value={password}
            onChange={({ currentTarget }) => setPassword(currentTarget.value)}
          />
          {setUp.error === null ? null : <Failed error={setUp.error} />}
          <Button type="submit" loading={setUp.isPending} disabled={short}>
            Set up
          </Button>
        </Stack>
      </form>
    </Door>
  );
}
