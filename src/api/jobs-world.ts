import type {
  JobDetailsJson,
  JobEvent,
  JobJson,
  JobRequest,
  JobsJson,
  PlanJson,
  PlanRequest,
  StrategyVerdictJson,
  WhichJobs,
} from "./contract/jobs.ts";

/** What the API has done. Errors: those of `Jobs`, and `usage` for a database that the strategy does not have. */
export interface JobsWorld {
  /** @param by who asks for it */
  start(request: JobRequest, by: string): Promise<JobJson>;
  /** Fails as the command does. */
  plan(request: PlanRequest, signal: AbortSignal): Promise<PlanJson>;
  validate(text: string): Promise<StrategyVerdictJson>;
  list(which: WhichJobs): Promise<JobsJson>;
  show(id: string): Promise<JobDetailsJson>;
  /** @param after -1 for all */
  events(id: string, after: number, signal: AbortSignal): AsyncIterable<JobEvent>;
  cancel(id: string, by: string): Promise<JobJson>;
}
