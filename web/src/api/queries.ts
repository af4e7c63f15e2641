import { queryOptions } from "@tanstack/react-query";
import type { z } from "zod";
import type { ROUTES } from "../../../src/api/contract/routes.ts";
import { request } from "./request.ts";

/** What an address of the API answers. */
export type Answer<Name extends keyof typeof ROUTES> = z.infer<(typeof ROUTES)[Name]["answer"]>;

// How often what is on the screen is asked for again, in milliseconds.
const LIVE = 10_000;
const CALM = 60_000;

/** `?database=data&last=20`; what is undefined is left out. */
function search(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function get<Name extends keyof typeof ROUTES>(name: Name, path: string, refetchInterval: number) {
  return queryOptions({
    queryKey: [name, path],
    queryFn: async ({ signal }) => await request<Answer<Name>>("GET", path, { signal }),
    refetchInterval,
  });
}

const part = encodeURIComponent;

/** As the daemon found it at its last look: it looks when something has ended on its machine, and every few minutes. */
export const overviewQuery = () => get("overview", "/api/overview", LIVE);
/** By the calendar of whoever looks. */
export const daysQuery = () =>
  get(
    "days",
    `/api/days${search({ zone: new Intl.DateTimeFormat().resolvedOptions().timeZone, days: 30 })}`,
    CALM,
  );
export const backupsQuery = (database: string) =>
  get("backups", `/api/databases/${part(database)}/backups`, CALM);
export const backupQuery = (database: string, id: string) =>
  get("backup", `/api/backups/${part(database)}/${part(id)}`, CALM);
export const seriesQuery = (database: string) =>
  get("series", `/api/databases/${part(database)}/series?days=3650`, CALM);
/** What `second` has otherwise than `first`. */
export const diffQuery = (database: string, first: string, second: string) =>
  get("diff", `/api/databases/${part(database)}/diff${search({ first, second })}`, CALM);
export const runsQuery = (
  which: { database?: string; last?: number; failed?: "true"; operation?: string } = {},
) => get("runs", `/api/runs${search(which)}`, LIVE);
export const checklistQuery = () => get("checklist", "/api/checklist", CALM);
export const runbookQuery = () => get("runbook", "/api/runbook?format=html", CALM);
export const repositoriesQuery = () => get("repositories", "/api/repositories", CALM);
export const scenariosQuery = () => get("scenarios", "/api/scenarios", LIVE);
export const recoveriesQuery = (which: { database?: string; last?: number } = {}) =>
  get("recoveries", `/api/recoveries${search(which)}`, LIVE);
