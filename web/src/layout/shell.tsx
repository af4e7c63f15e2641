import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  NavLink,
  ScrollArea,
  Text,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconActivity,
  IconBook,
  IconChecklist,
  IconDatabase,
  IconHeartbeat,
  IconLifebuoy,
  IconMoon,
  IconServer,
  IconSettings,
  IconSun,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect, useRef, type ReactElement } from "react";
import { Link, Outlet, useLocation } from "react-router";
import { overviewQuery } from "../api/queries.ts";
import type { Session } from "../api/session.ts";
import { Loading } from "../parts/states.tsx";
import { Offline } from "./offline.tsx";
import { UserMenu } from "./user-menu.tsx";

const ICON = { size: 18, stroke: 1.7, "aria-hidden": true } as const;

const SECTIONS = [
  { to: "/", label: "Overview", icon: <IconHeartbeat {...ICON} /> },
  { to: "/recovery", label: "Recovery", icon: <IconLifebuoy {...ICON} /> },
  { to: "/checklist", label: "Checklist", icon: <IconChecklist {...ICON} /> },
  { to: "/runbook", label: "Runbook", icon: <IconBook {...ICON} /> },
  { to: "/activity", label: "Activity", icon: <IconActivity {...ICON} /> },
  { to: "/repositories", label: "Repositories", icon: <IconServer {...ICON} /> },
  { to: "/settings", label: "Settings", icon: <IconSettings {...ICON} /> },
];

/** What is around every page: where one can go, and the page. */
export function Shell({ user }: { readonly user: NonNullable<Session["user"]> }): ReactElement {
  const [open, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    close();
    // Whoever listens rather than looks is brought to the new page.
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [pathname, close]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 230, breakpoint: "sm", collapsed: { mobile: !open } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip" href="#main">
        To the page
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger
              opened={open}
              onClick={toggle}
              hiddenFrom="sm"
              size="sm"
              aria-label={open ? "Close the menu" : "Open the menu"}
              aria-expanded={open}
            />
            <Link to="/" className="brand" aria-label="Handled: overview">
              <img src="/icon.svg" alt="" width={26} height={26} />
              <Text fw={700} size="lg" component="span">
                Handled
              </Text>
            </Link>
          </Group>
          <Group gap="sm" wrap="nowrap">
            <UserMenu user={user} />
            <ColorScheme />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs">
        <AppShell.Section grow component={ScrollArea} type="auto">
          <nav aria-label="Pages">
            {SECTIONS.map(({ to, label, icon }) => (
              <NavLink
                key={to}
                component={Link}
                to={to}
                label={label}
                leftSection={icon}
                active={to === "/" ? pathname === "/" : pathname.startsWith(to)}
                aria-current={pathname === to ? "page" : undefined}
                variant="light"
              />
            ))}
            <Databases pathname={pathname} />
          </nav>
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} ref={main} className="main">
        <Offline />
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </AppShell.Main>
    </AppShell>
  );
}

// What is asked for seldom, and is as a look of the daemon found it, or may be otherwise than at the last one.
const FOUND = ["backups", "series", "days", "backup", "checklist"];

/** Asks for what is on the screen as soon as the daemon has looked again. @param at when it did */
function useNews(at: string | undefined): void {
  const client = useQueryClient();
  const before = useRef(at);
  useEffect(() => {
    if (before.current === at) return;
    const isFirst = before.current === undefined;
    before.current = at;
    if (!isFirst) for (const name of FOUND) void client.invalidateQueries({ queryKey: [name] });
  }, [at, client]);
}

function Databases({ pathname }: { readonly pathname: string }): ReactElement | null {
  const { data } = useQuery(overviewQuery());
  useNews(data?.at);
  if (data === undefined) return null;
  return (
    <>
      <Text size="xs" tt="uppercase" fw={600} className="quiet" px="sm" pt="md" pb={4}>
        Databases
      </Text>
      {data.databases.map(({ database, problems: [worst] }) => {
        const to = `/databases/${encodeURIComponent(database)}`;
        return (
          <NavLink
            key={database}
            component={Link}
            to={to}
            label={database}
            leftSection={<IconDatabase {...ICON} />}
            rightSection={
              worst === undefined ? null : (
                <span
                  className="dot"
                  data-severity={worst.severity}
                  title={worst.message}
                  role="img"
                  aria-label="needs a look"
                />
              )
            }
            active={pathname === to || pathname.startsWith(`${to}/`)}
            aria-current={pathname === to ? "page" : undefined}
            variant="light"
          />
        );
      })}
    </>
  );
}

function ColorScheme(): ReactElement {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const dark =
    colorScheme === "dark" ||
    (colorScheme === "auto" && window.matchMedia("(prefers-color-scheme: dark)").matches);
  return (
    <ActionIcon
      variant="default"
      size="lg"
      aria-label={dark ? "Light colours" : "Dark colours"}
      onClick={() => setColorScheme(dark ? "light" : "dark")}
    >
      {dark ? <IconSun {...ICON} /> : <IconMoon {...ICON} />}
    </ActionIcon>
  );
}
