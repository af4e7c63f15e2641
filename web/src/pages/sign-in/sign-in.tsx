import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { type Session, useSession } from "../../api/session.ts";
import { Failed } from "../../parts/states.tsx";
import { Door } from "./door.tsx";

/** Asks who is there. */
export function SignIn({ session }: { readonly session: Session }): ReactElement {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useSession<{ name: string; password: string }>("POST", "/api/session");
  if (!session.setUp) {
    return (
      <Door title="Nobody can sign in yet">
        <Text size="sm">
          `handled serve` prints a link when it starts, with which the first user is made. `handled user add`
          makes one at a terminal.
        </Text>
      </Door>
    );
  }
  return (
    <Door title="Sign in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate({ name, password });
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            autoComplete="username"
            required
            value={name}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            required
            value={password}
            onChange={({ currentTarget }) => setPassword(currentTarget.value)}
          />
          {signIn.error === null ? null : <Failed error={signIn.error} />}
          <Button type="submit" loading={signIn.isPending}>
            Sign in
          </Button>
          {session.oidc === null ? null : (
            <Button component="a" href="/api/oidc/start" variant="default">
              Sign in with {session.oidc}
            </Button>
          )}
        </Stack>
      </form>
    </Door>
  );
}
