import { Button, Group, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { type Session, useSession } from "../api/session.ts";

export function UserMenu({ user }: { readonly user: NonNullable<Session["user"]> }): ReactElement {
  const signOut = useSession<undefined>("DELETE", "/api/session");
  return (
    <Group gap="xs" wrap="nowrap">
      <Text size="sm" visibleFrom="sm">
        {user.name} <span className="quiet">({user.role})</span>
      </Text>
      <Button
        size="xs"
        variant="default"
        onClick={() => signOut.mutate(undefined)}
        loading={signOut.isPending}
      >
        Sign out
      </Button>
    </Group>
  );
}
