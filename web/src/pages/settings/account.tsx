import { Alert, Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { request } from "../../api/request.ts";
import { useChange } from "../../api/settings.ts";
import { Fact } from "../../parts/fact.tsx";
import { Failed } from "../../parts/states.tsx";
import { SettingsSection, type Viewer } from "./frame.tsx";

const SHORTEST = 12;

/** One's own name, role and password. */
export function AccountSettings(): ReactElement {
  return (
    <SettingsSection>
      {(user, { oidc }) => (
        <Stack maw={420}>
          <dl className="facts">
            <Fact name="Name">{user.name}</Fact>
            <Fact name="Role">{user.role}</Fact>
            <Fact name="Signed in with">
              {user.how === "oidc" ? (oidc ?? "another service") : "a password"}
            </Fact>
          </dl>
          {user.how === "password" ? <OwnPassword user={user} /> : null}
        </Stack>
      )}
    </SettingsSection>
  );
}

function OwnPassword({ user }: { readonly user: Viewer }): ReactElement {
  const [password, setPassword] = useState("");
  const [newPassword, setNewPassword] = useState("");
  const short = newPassword !== "" && newPassword.length < SHORTEST;
  const change = useChange<{ readonly password: string; readonly newPassword: string }, unknown>(
    ["session"],
    async (body) => await request("POST", "/api/password", { body }),
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const clear = (): void => {
          setPassword("");
          setNewPassword("");
        };
        change.mutate({ password, newPassword }, { onSuccess: clear });
      }}
    >
      <Stack>
        <input type="text" name="username" autoComplete="username" value={user.name} readOnly hidden />
        <PasswordInput
          label="Your password now"
          autoComplete="current-password"
          required
          value={password}
          onChange={({ currentTarget }) => setPassword(currentTarget.value)}
        />
        <PasswordInput
          label="Your new password"
          description={`${SHORTEST} characters at least; a few words in a row are easy to type`}
          autoComplete="new-password"
          required
          error={short ? `${SHORTEST - newPassword.length} more` : undefined}
          value={newPassword}
          onChange={({ currentTarget }) => setNewPassword(currentTarget.value)}
        />
        {change.error === null ? null : <Failed error={change.error} />}
        {change.isSuccess ? (
          <Alert color="green" title="Your password is changed" role="status">
            <Text size="sm">Wherever else you were signed in, you no longer are.</Text>
          </Alert>
        ) : null}
        <Button type="submit" loading={change.isPending} disabled={short}>
          Change it
        </Button>
      </Stack>
    </form>
  );
}
