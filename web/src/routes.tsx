import type { ComponentType } from "react";
import { createBrowserRouter, type RouteObject } from "react-router";
import { Gate } from "./layout/gate.tsx";
import { NotFound } from "./pages/not-found.tsx";
import { Broken, Loading } from "./parts/states.tsx";

type Page = () => Promise<{ readonly Component: ComponentType }>;

// Each page is loaded when it is gone to.
const PAGES: Readonly<Record<string, Page>> = {
  "/": async () => ({ Component: (await import("./pages/overview/overview.tsx")).Overview }),
  "/databases/:database": async () => ({
    Component: (await import("./pages/database/database.tsx")).Database,
  }),
  "/databases/:database/backups/:id": async () => ({
    Component: (await import("./pages/backup/backup.tsx")).Backup,
  }),
  "/databases/:database/restore": async () => ({
    Component: (await import("./pages/restore/restore.tsx")).Restore,
  }),
  "/jobs/:id": async () => ({ Component: (await import("./pages/job/job.tsx")).JobPage }),
  "/recovery": async () => ({ Component: (await import("./pages/recovery/recovery.tsx")).Recovery }),
  "/checklist": async () => ({ Component: (await import("./pages/checklist/checklist.tsx")).Checklist }),
  "/runbook": async () => ({ Component: (await import("./pages/runbook/runbook.tsx")).Runbook }),
  "/activity": async () => ({ Component: (await import("./pages/activity/activity.tsx")).Activity }),
  "/repositories": async () => ({
    Component: (await import("./pages/repositories/repositories.tsx")).Repositories,
  }),
  "/sign-in": async () => ({ Component: (await import("./pages/sign-in/not-let-in.tsx")).SignedInAlready }),
  "/settings": async () => ({ Component: (await import("./pages/settings/frame.tsx")).Settings }),
  "/settings/strategy": async () => ({
    Component: (await import("./pages/settings/strategy.tsx")).StrategySettings,
  }),
  "/settings/channels": async () => ({
    Component: (await import("./pages/settings/channels.tsx")).ChannelSettings,
  }),
  "/settings/users": async () => ({ Component: (await import("./pages/settings/users.tsx")).UserSettings }),
  "/settings/tokens": async () => ({
    Component: (await import("./pages/settings/tokens.tsx")).TokenSettings,
  }),
  "/settings/audit": async () => ({ Component: (await import("./pages/settings/audit.tsx")).AuditSettings }),
  "/settings/account": async () => ({
    Component: (await import("./pages/settings/account.tsx")).AccountSettings,
  }),
};

export function makeRouter(): ReturnType<typeof createBrowserRouter> {
  const children: RouteObject[] = Object.entries(PAGES).map(([path, lazy]) => ({ path, lazy }));
  const setUp = async () => ({ Component: (await import("./pages/sign-in/set-up.tsx")).SetUp });
  return createBrowserRouter([
    { path: "/set-up", lazy: setUp, errorElement: <Broken />, HydrateFallback: Loading },
    {
      element: <Gate />,
      errorElement: <Broken />,
      HydrateFallback: Loading,
      children: [...children, { path: "*", element: <NotFound /> }],
    },
  ]);
}
