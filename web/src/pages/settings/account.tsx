import { Alert, Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { request } from "../../api/request.ts";
import { useChange } from "../../api/settings.ts";
import { Fact } from "../../parts/fact.tsx";
import { isTooShort, NewPasswordInput } from "../../parts/new-password-input.tsx";
import { Failed } from "../../parts/states.tsx";
import { SettingsSection, type Viewer } from "./frame.tsx";

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
        <NewPasswordInput label="Your new password" value={newPassword} onChange={setNewPassword} />
        {change.error === null ? null : <Failed error={change.error} />}
        {change.isSuccess ? (
          <Alert color="green" title="Your password is changed" role="status">
            <Text size="sm">Wherever else you were signed in, you no longer are.</Text>
          </Alert>
        ) : null}
        <Button type="submit" loading={change.isPending} disabled={isTooShort(newPassword)}>
          Change it
        </Button>
      </Stack>
    </form>
  );
}
