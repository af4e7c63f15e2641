import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { type ScheduleRequest, showSchedule } from "./schedule.ts";

/**
 * Which scheduled backups of a strategy cron or systemd runs on this machine. Null when that cannot be told, as for a
 * schedule that neither can have.
 */
export async function readInstalled(
  runtime: Runtime,
  request: Omit<ScheduleRequest, "method">,
  signal: AbortSignal,
): Promise<((database: string, backup: string) => boolean) | null> {
  const keyOf = (database: string, backup: string): string => JSON.stringify([database, backup]);
  const installed = new Set<string>();
  for (const method of ["cron", "systemd"] as const) {
    try {
      const { lines } = await showSchedule(runtime, { ...request, method }, signal);
      for (const { database, backup, installed: there } of lines) {
        if (there) installed.add(keyOf(database, backup));
      }
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || signal.aborted) throw error;
      // Where cron is missing or closed to this user, it runs nothing.
      if (!isAppError(error, "client_missing") && !isAppError(error, "tool_failed")) return null;
    }
  }
  return (database, backup) => installed.has(keyOf(database, backup));
}
