import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Job } from "./jobs.ts";
import type { ScheduledLine } from "./plan.ts";
import { type ScheduleRequest, showSchedule } from "./schedule.ts";

type JobName = Pick<Job, "database" | "operation" | "entry">;

/**
 * Which jobs of a strategy cron or systemd runs on this machine. Null when that cannot be told, as for a
 * schedule that neither can have.
 */
export async function readInstalled(
  runtime: Runtime,
  request: Omit<ScheduleRequest, "method">,
  signal: AbortSignal,
): Promise<((job: JobName) => boolean) | null> {
  const keyOf = ({ database, operation, entry }: JobName | ScheduledLine): string =>
    JSON.stringify([database, operation, entry]);
  const installed = new Set<string>();
  for (const method of ["cron", "systemd", "service"] as const) {
    try {
      const { lines } = await showSchedule(runtime, { ...request, method }, signal);
      for (const line of lines) if (line.installed) installed.add(keyOf(line));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || signal.aborted) throw error;
      // Where cron is missing or closed to this user, it runs nothing.
      if (!isAppError(error, "client_missing") && !isAppError(error, "tool_failed")) return null;
    }
  }
  return (job) => installed.has(keyOf(job));
}
