import type { z } from "zod";
import type {
  BackupsJson,
  DaysJson,
  FindingsJson,
  OverviewJson,
  RecoveriesJson,
  RepositoriesJson,
  RunsJson,
  SeriesJson,
} from "./contract/answers.ts";
import type { ChannelsJson } from "./contract/channels.ts";
import type { WhichBackups, WhichDays, WhichDiff, WhichRecoveries, WhichRuns } from "./contract/requests.ts";
import type { StrategyTextJson } from "./contract/strategy.ts";
import type { ROUTES } from "./contract/routes.ts";

type Answer<Route extends keyof typeof ROUTES> = z.infer<(typeof ROUTES)[Route]["answer"]>;

/**
 * What the API asks for: the same as the commands show. Each reads the strategy as it is at that moment, and fails with an
 * `AppError` as its command does. A database that the strategy does not have is `usage`.
 */
export interface ApiWorld {
  status(signal: AbortSignal): Promise<Answer<"databases">>;
  overview(signal: AbortSignal): Promise<OverviewJson>;
  days(which: WhichDays, signal: AbortSignal): Promise<DaysJson>;
  findings(signal: AbortSignal): Promise<FindingsJson>;
  backups(database: string, which: WhichBackups, signal: AbortSignal): Promise<BackupsJson>;
  /** @param days no further back */
  series(database: string, days: number, signal: AbortSignal): Promise<SeriesJson>;
  /** @param id one of ours, `latest`, or one of the managed service's */
  backup(database: string, id: string, signal: AbortSignal): Promise<Answer<"backup">>;
  diff(database: string, which: WhichDiff, signal: AbortSignal): Promise<Answer<"diff">>;
  runs(which: WhichRuns, signal: AbortSignal): Promise<RunsJson>;
  checklist(signal: AbortSignal): Promise<Answer<"checklist">>;
  runbook(format: "html" | "md", signal: AbortSignal): Promise<string>;
  /** None where the strategy has no `notify`. */
  channels(signal: AbortSignal): Promise<ChannelsJson>;
  strategy(signal: AbortSignal): Promise<StrategyTextJson>;
  repositories(signal: AbortSignal): Promise<RepositoriesJson>;
  recoveries(which: WhichRecoveries, signal: AbortSignal): Promise<RecoveriesJson>;
  scenarios(signal: AbortSignal): Promise<Answer<"scenarios">>;
}
