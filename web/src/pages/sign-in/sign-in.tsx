import { Button, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { useLocation, useNavigate, useSearchParams } from "react-router";
import { type Session, useSession } from "../../api/session.ts";
import { Failed } from "../../parts/states.tsx";
import { Door } from "./door.tsx";
import { NotLetIn } from "./not-let-in.tsx";

/** Asks who is there. */
export function SignIn({ session }: { readonly session: Session }): ReactElement {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [given] = useSearchParams();
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const signIn = useSession<{ name: string; password: string }>("POST", "/api/session");
  // Once somebody has typed a password, what came of that is said.
  const refused = signIn.isIdle ? given.get("refused") : null;
  if (!session.setUp) {
    return (
      <Door title="Nobody can sign in yet">
        <Stack>
          <NotLetIn code={refused} service={session.oidc} />
          <Text size="sm">
            `handled serve` prints a link when it starts, with which the first user is made. `handled user
            add` makes one at a terminal.
          </Text>
          <Elsewhere service={session.oidc} />
        </Stack>
      </Door>
    );
  }
  return (
    <Door title="Sign in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate(
            { name, password },
            {
              onSuccess: () => {
                // Of the door's own address there is nothing to go back to.
                if (pathname === "/sign-in") void navigate("/", { replace: true });
              },
            },
          );
        }}
      >
        <Stack>
          <NotLetIn code={refused} service={session.oidc} />
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
          <Elsewhere service={session.oidc} />
        </Stack>
      </form>
    </Door>
  );
}

function Elsewhere({ service }: { readonly service: string | null }): ReactElement | null {
  if (service === null) return null;
  return (
    <Button component="a" href="/api/oidc/start" variant="default">
      Sign in with {service}
    </Button>
  );
}
