import type { ScheduledStrategy } from "../operations/schedule/jobs.ts";
import type { ScheduleRequest } from "../operations/schedule/schedule.ts";
import type { Cli } from "./cli.ts";

/** How this program would be scheduled. */
export function scheduleRequest(cli: Cli, strategy: ScheduledStrategy): Omit<ScheduleRequest, "method"> {
  // Without numbered users nobody is root.
  const uid = process.getuid?.() ?? 1;
  return { strategy, node: cli.node, program: cli.script, uid };
}
