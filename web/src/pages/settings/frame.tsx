import { Button, Group } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { Link, Navigate, useLocation } from "react-router";
import { mayAs, type Role } from "../../../../src/access/roles.ts";
import { type Session, sessionQuery } from "../../api/session.ts";
import { PageTitle } from "../../parts/page-title.tsx";
import { Empty } from "../../parts/states.tsx";

export type Viewer = NonNullable<Session["user"]>;

const SECTIONS = [
  { to: "/settings/strategy", label: "Strategy", role: "admin" },
  { to: "/settings/channels", label: "Channels", role: "viewer" },
  { to: "/settings/users", label: "Users", role: "admin" },
  { to: "/settings/tokens", label: "Tokens", role: "viewer" },
  { to: "/settings/audit", label: "Audit", role: "admin" },
  { to: "/settings/account", label: "Your account", role: "viewer" },
] as const satisfies readonly { readonly to: string; readonly label: string; readonly role: Role }[];

/** Where the settings begin, for whoever looks. */
export function Settings(): ReactElement | null {
  const { data } = useQuery(sessionQuery());
  if (data?.user == null) return null;
  const { role } = data.user;
  return <Navigate to={SECTIONS.find((one) => mayAs(role, one.role))?.to ?? "/"} replace />;
}

/** A section of the settings, for those who may see it, and the way to the others. */
export function SettingsSection({
  children,
}: {
  readonly children: (user: Viewer, session: Session) => ReactNode;
}): ReactElement | null {
  const { data: session } = useQuery(sessionQuery());
  const { pathname } = useLocation();
  if (session?.user == null) return null;
  const { user } = session;
  const here = SECTIONS.find(({ to }) => to === pathname);
  const takes = here?.role ?? "admin";
  return (
    <>
      <PageTitle title={here === undefined ? "Settings" : `Settings: ${here.label}`} />
      <nav aria-label="Settings">
        <Group gap={4} mb="lg">
          {SECTIONS.filter(({ role }) => mayAs(user.role, role)).map(({ to, label }) => (
            <Button
              key={to}
              component={Link}
              to={to}
              size="sm"
              variant={to === pathname ? "light" : "subtle"}
              color={to === pathname ? "teal" : "gray"}
              aria-current={to === pathname ? "page" : undefined}
            >
              {label}
            </Button>
          ))}
        </Group>
      </nav>
      {mayAs(user.role, takes) ? (
        children(user, session)
      ) : (
        <Empty title={`This takes an ${takes}`}>You are signed in as {user.role}.</Empty>
      )}
    </>
  );
}
