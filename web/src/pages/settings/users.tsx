import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { type User, usersQuery } from "../../api/settings.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Ago } from "../../parts/moment.tsx";
import { Answered } from "../../parts/states.tsx";
import { SettingsSection } from "./frame.tsx";
import { AddUser, ChangePassword, ChangeRole, RemoveUser } from "./user-dialogs.tsx";

type Asked =
  | { readonly what: "add" }
  | { readonly what: "role" | "password" | "remove"; readonly user: User };

/** Who may sign in, and as what. */
export function UserSettings(): ReactElement {
  const query = useQuery(usersQuery());
  const [asked, ask] = useState<Asked | null>(null);
  const close = (): void => ask(null);
  return (
    <SettingsSection>
      {({ name: own }, { oidc }) => (
        <Stack>
          <Group justify="space-between">
            <Text size="sm" className="quiet" maw={560}>
              Viewers look; operators also back up, verify and rehearse; admins also restore, recover, and say
              who may.
            </Text>
            <Button onClick={() => ask({ what: "add" })}>Add a user</Button>
          </Group>
          <Answered query={query}>
            {({ users }) => (
              <DataTable
                label="Users"
                rows={users}
                columns={columnsFor(own, oidc, ask)}
                keyOf={({ name }) => name}
              />
            )}
          </Answered>
          {asked?.what === "add" ? <AddUser oidc={oidc} onClose={close} /> : null}
          {asked?.what === "role" ? <ChangeRole user={asked.user} onClose={close} /> : null}
          {asked?.what === "password" ? <ChangePassword user={asked.user} onClose={close} /> : null}
          {asked?.what === "remove" ? <RemoveUser user={asked.user} onClose={close} /> : null}
        </Stack>
      )}
    </SettingsSection>
  );
}

function columnsFor(own: string, oidc: string | null, ask: (asked: Asked) => void): readonly Column<User>[] {
  return [
    {
      title: "Name",
      cell: ({ name }) => (
        <Text size="sm" fw={600} component="span" className="wrap">
          {name} {name === own ? <span className="quiet">(you)</span> : null}
        </Text>
      ),
    },
    {
      title: "Role",
      cell: ({ role }) => <Badge variant={role === "admin" ? "filled" : "default"}>{role}</Badge>,
    },
    {
      title: "Signs in with",
      cell: ({ hasPassword }) =>
        hasPassword ? "a password" : (oidc ?? "nothing: no other service is set up"),
    },
    { title: "Added", cell: ({ createdAt }) => <Ago at={createdAt} /> },
    {
      title: "Change",
      cell: (user) => (
        <Group gap={4}>
          {(["role", "password", "remove"] as const).map((what) =>
            what === "password" && !user.hasPassword ? null : (
              <Button
                key={what}
                size="compact-sm"
                variant="default"
                aria-label={`${LABELS[what]} ${user.name}`}
                onClick={() => ask({ what, user })}
              >
                {LABELS[what]}
              </Button>
            ),
          )}
        </Group>
      ),
    },
  ];
}

const LABELS = { role: "Role …", password: "Password …", remove: "Remove …" } as const;
