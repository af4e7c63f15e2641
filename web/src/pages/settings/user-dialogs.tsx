import { Button, PasswordInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { ROLES, type Role } from "../../../../src/access/roles.ts";
import { request } from "../../api/request.ts";
import { sessionQuery } from "../../api/session.ts";
import { useChange, type User } from "../../api/settings.ts";
import { Confirm, type Confirmation } from "../../parts/confirm.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { NewPassword } from "./new-password.tsx";

interface About {
  readonly user: User;
  readonly onClose: () => void;
}

// Whoever changes themselves may see other things then.
const CHANGED = ["users", "session"];

const pathOf = ({ name }: User): string => `/api/users/${encodeURIComponent(name)}`;

interface NewUser {
  readonly name: string;
  readonly role: Role;
  readonly password: string | null;
  readonly confirm: Confirmation;
}

/** @param oidc name of the other service that one can sign in with; null: there is none */
export function AddUser({
  oidc,
  onClose,
}: {
  readonly oidc: string | null;
  readonly onClose: () => void;
}): ReactElement {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [elsewhere, setElsewhere] = useState(false);
  const [password, setPassword] = useState("");
  const [own, setOwn] = useState("");
  const { data } = useQuery(sessionQuery());
  const hasPassword = data?.user?.how === "password";
  const add = useChange<NewUser, User>(
    CHANGED,
    async (body) => await request("POST", "/api/users", { body }),
  );
  return (
    <Dialog title="Add a user" error={add.error} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const confirm = { name, ...(hasPassword ? { password: own } : {}) };
          add.mutate({ name, role, password: elsewhere ? null : password, confirm }, { onSuccess: onClose });
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            autoComplete="off"
            required
            value={name}
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
          <RoleSelect value={role} onChange={setRole} />
          {oidc === null ? null : (
            <Switch
              label={`Signs in with ${oidc}, by this name`}
              checked={elsewhere}
              onChange={({ currentTarget }) => setElsewhere(currentTarget.checked)}
            />
          )}
          {elsewhere ? null : <NewPassword value={password} onChange={setPassword} />}
          {hasPassword ? (
            <PasswordInput
              label="Your own password, again"
              autoComplete="current-password"
              required
              value={own}
              onChange={({ currentTarget }) => setOwn(currentTarget.value)}
            />
          ) : null}
          <Button type="submit" loading={add.isPending}>
            Add
          </Button>
        </Stack>
      </form>
    </Dialog>
  );
}

export function ChangeRole({ user, onClose }: About): ReactElement {
  const [role, setRole] = useState<Role>(user.role);
  const change = useChange<Confirmation | undefined, User>(
    CHANGED,
    async (confirm) => await request("PATCH", pathOf(user), { body: { role, confirm } }),
  );
  return (
    <Dialog title={`Role of ${user.name}`} error={change.error} onClose={onClose}>
      <RoleSelect value={role} onChange={setRole} />
      <Text size="sm">It holds at once. Tokens never may more than their user.</Text>
      <Confirm
        name={user.name}
        label={`Make ${user.name} ${role}`}
        needed
        pending={change.isPending}
        onConfirm={(confirmation) => change.mutate(confirmation, { onSuccess: onClose })}
      />
    </Dialog>
  );
}

export function ChangePassword({ user, onClose }: About): ReactElement {
  const [password, setPassword] = useState("");
  const change = useChange<Confirmation | undefined, User>(
    CHANGED,
    async (confirm) => await request("PATCH", pathOf(user), { body: { password, confirm } }),
  );
  return (
    <Dialog title={`Password of ${user.name}`} error={change.error} onClose={onClose}>
      <NewPassword value={password} onChange={setPassword} />
      <Text size="sm">Whatever {user.name} is signed in to ends.</Text>
      <Confirm
        name={user.name}
        label="Set the password"
        needed
        pending={change.isPending}
        onConfirm={(confirmation) => change.mutate(confirmation, { onSuccess: onClose })}
      />
    </Dialog>
  );
}

export function RemoveUser({ user, onClose }: About): ReactElement {
  const remove = useChange<Confirmation | undefined, unknown>(
    CHANGED,
    async (confirm) => await request("DELETE", pathOf(user), { body: { confirm } }),
  );
  return (
    <Dialog title={`Remove ${user.name}`} error={remove.error} onClose={onClose}>
      <Text size="sm">What {user.name} is signed in to ends, and their tokens open nothing any more.</Text>
      <Confirm
        name={user.name}
        label={`Remove ${user.name}`}
        needed
        pending={remove.isPending}
        onConfirm={(confirmation) => remove.mutate(confirmation, { onSuccess: onClose })}
      />
    </Dialog>
  );
}

function RoleSelect({
  value,
  onChange,
}: {
  readonly value: Role;
  readonly onChange: (role: Role) => void;
}): ReactElement {
  return (
    <Select
      label="Role"
      data={[...ROLES]}
      value={value}
      allowDeselect={false}
      onChange={(role) => onChange(role ?? value)}
    />
  );
}
