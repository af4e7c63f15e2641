import { z } from "zod";
import { ChecklistJson } from "../../json/checklist.ts";
import { DiffJson, ShowJson } from "../../json/look.ts";
import { ProviderShowJson } from "../../json/provider.ts";
import { StatusJson } from "../../json/status.ts";
import {
  BackupsJson,
  DaysJson,
  FindingsJson,
  OverviewJson,
  RecoveriesJson,
  RepositoriesJson,
  RunsJson,
  SeriesJson,
} from "./answers.ts";
import { ChannelsJson } from "./channels.ts";
import {
  OneBackup,
  OneDatabase,
  WhichBackups,
  WhichDays,
  WhichDiff,
  WhichRecoveries,
  WhichRunbook,
  WhichRuns,
  WhichSeries,
} from "./requests.ts";
import { ScenariosJson } from "./scenarios.ts";
import { StrategyTextJson } from "./strategy.ts";

/** Every address of the API, what it takes and what it answers: for the server, its OpenAPI document, and whoever calls it. */
export const ROUTES = {
  databases: {
    path: "/api/databases",
    role: "viewer",
    summary: "How every database stands, against its objectives",
    answer: StatusJson,
  },
  overview: {
    path: "/api/overview",
    role: "viewer",
    summary: "The same, as the daemon has last found it, live servers among it; at once",
    answer: OverviewJson,
  },
  days: {
    path: "/api/days",
    role: "viewer",
    summary: "What ran of each database on each of the last days: backups, proofs, failures",
    query: WhichDays,
    answer: DaysJson,
  },
  backups: {
    path: "/api/databases/:name/backups",
    role: "viewer",
    summary: "The backups of one database, a managed service's own among them",
    params: OneDatabase,
    query: WhichBackups,
    answer: BackupsJson,
  },
  series: {
    path: "/api/databases/:name/series",
    role: "viewer",
    summary: "How large each backup of a database was and how long it took, for charts",
    params: OneDatabase,
    query: WhichSeries,
    answer: SeriesJson,
  },
  backup: {
    path: "/api/backups/:database/:id",
    role: "viewer",
    summary: "Everything about one backup: times, tables, sizes, proof, retention",
    params: OneBackup,
    answer: z.union([ShowJson, ProviderShowJson]),
  },
  diff: {
    path: "/api/databases/:name/diff",
    role: "viewer",
    summary: "What differs between two backups of a database",
    params: OneDatabase,
    query: WhichDiff,
    answer: DiffJson,
  },
  runs: {
    path: "/api/runs",
    role: "viewer",
    summary: "What ran, and what came of it, newest first",
    query: WhichRuns,
    answer: RunsJson,
  },
  findings: {
    path: "/api/findings",
    role: "viewer",
    summary: "What is wrong, how bad it is, and what to do about it",
    answer: FindingsJson,
  },
  checklist: {
    path: "/api/checklist",
    role: "viewer",
    summary: "The duties of the strategy, and which are done",
    answer: ChecklistJson,
  },
  runbook: {
    path: "/api/runbook",
    role: "viewer",
    summary: "What to do when something is lost, as it stands now",
    query: WhichRunbook,
    types: ["text/html", "text/markdown"],
    answer: z.string().describe("A page of HTML, or Markdown"),
  },
  repositories: {
    path: "/api/repositories",
    role: "viewer",
    summary: "What backups take, and how fast that grows",
    answer: RepositoriesJson,
  },
  channels: {
    path: "/api/channels",
    role: "viewer",
    summary: "Who is told when something is wrong, and whether that arrives",
    answer: ChannelsJson,
  },
  strategy: {
    path: "/api/strategy",
    role: "admin",
    summary: "The strategy as its file is now",
    answer: StrategyTextJson,
  },
  recoveries: {
    path: "/api/recoveries",
    role: "viewer",
    summary: "Drills and recoveries, newest first",
    query: WhichRecoveries,
    answer: RecoveriesJson,
  },
  scenarios: {
    path: "/api/scenarios",
    role: "viewer",
    summary: "The disasters that there are plans for, their drills, and recoveries that have not ended",
    answer: ScenariosJson,
  },
} as const;
