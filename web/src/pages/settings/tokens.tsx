import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { request } from "../../api/request.ts";
import { type Token, tokensQuery, useChange } from "../../api/settings.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Ago, Moment } from "../../parts/moment.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { SettingsSection } from "./frame.tsx";
import { NewToken } from "./new-token.tsx";

/** What programs show instead of a password: one's own, and an admin everybody's. */
export function TokenSettings(): ReactElement {
  const query = useQuery(tokensQuery());
  const [adding, add] = useState(false);
  const [revoked, revoke] = useState<Token | null>(null);
  return (
    <SettingsSection>
      {({ role }) => (
        <Stack>
          <Group justify="space-between">
            <Text size="sm" className="quiet" maw={560}>
              A program shows one as <code>Authorization: Bearer …</code>, and acts in your name.
            </Text>
            <Button onClick={() => add(true)}>Make a token</Button>
          </Group>
          <Answered query={query}>
            {({ tokens }) =>
              tokens.length === 0 ? (
                <Empty title="There are no tokens">Programs ask the API with one.</Empty>
              ) : (
                <DataTable
                  label="Tokens"
                  rows={tokens}
                  columns={columnsFor(role === "admin", revoke)}
                  keyOf={({ id }) => id}
                />
              )
            }
          </Answered>
          {adding ? <NewToken role={role} onClose={() => add(false)} /> : null}
          {revoked === null ? null : <Revoke token={revoked} onClose={() => revoke(null)} />}
        </Stack>
      )}
    </SettingsSection>
  );
}

function columnsFor(ofAll: boolean, revoke: (token: Token) => void): readonly Column<Token>[] {
  return [
    {
      title: "For",
      cell: ({ label }) => (
        <Text size="sm" fw={600} component="span" className="wrap">
          {label}
        </Text>
      ),
    },
    ...(ofAll ? [{ title: "Of", cell: ({ user }: Token) => user }] : []),
    {
      title: "May",
      cell: ({ role, dangerous }) => (
        <Group gap={4}>
          <Badge variant="default">{role}</Badge>
          {dangerous ? (
            <Badge color="red" autoContrast>
              dangerous
            </Badge>
          ) : null}
        </Group>
      ),
    },
    {
      title: "Until",
      cell: ({ expiresAt }) =>
        Date.parse(expiresAt) <= Date.now() ? (
          <Badge color="orange" autoContrast>
            expired
          </Badge>
        ) : (
          <Moment at={expiresAt} />
        ),
    },
    { title: "Made", cell: ({ createdAt }) => <Ago at={createdAt} /> },
    { title: "Used last", cell: ({ usedAt }) => usedAt ?? "never" },
    {
      title: "",
      cell: (token) => (
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`Revoke … ${token.label}`}
          onClick={() => revoke(token)}
        >
          Revoke …
        </Button>
      ),
    },
  ];
}

function Revoke({ token, onClose }: { readonly token: Token; readonly onClose: () => void }): ReactElement {
  const revoke = useChange<undefined, unknown>(
    ["tokens"],
    async () => await request("DELETE", `/api/tokens/${token.id}`),
  );
  return (
    <Dialog title={`Revoke ${token.label}`} error={revoke.error} onClose={onClose}>
      <Text size="sm">Whatever shows it is refused from then on. It cannot be brought back.</Text>
      <Button
        color="red"
        loading={revoke.isPending}
        onClick={() => revoke.mutate(undefined, { onSuccess: onClose })}
      >
        Revoke it
      </Button>
    </Dialog>
  );
}
