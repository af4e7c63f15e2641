import { parseCron, toCalendarEvents, toCrontab } from "./cron-expression.ts";
import type { ScheduledStrategy } from "./jobs.ts";
import type { ScheduledLine } from "./plan.ts";
import { quoteForCrontab, quoteForSystemd } from "./quoting.ts";
import { DAEMON_UNIT, type UnitFile, unitName } from "./systemd-units.ts";

/** Whether one of the crontab's lines does this at its times; its log and environment file may be any. */
export function isInCrontab(line: ScheduledLine, crontab: readonly string[]): boolean {
  const { node, rest } = commandParts(line.command, quoteForCrontab);
  const begin = `${toCrontab(parseCron(line.schedule))} ${node} `;
  return crontab.some((text) => text.startsWith(begin) && text.includes(` ${rest} >> `));
}

/** Whether the units do this at its times; its log and environment file may be any. */
export function isInUnits(
  strategy: ScheduledStrategy,
  line: ScheduledLine,
  units: readonly UnitFile[],
): boolean {
  const name = unitName(line);
  const textOf = (suffix: string): string[] =>
    units.find((unit) => unit.name === `${name}.${suffix}`)?.text.split("\n") ?? [];
  const wanted = toCalendarEvents(parseCron(line.schedule), strategy.timeZone).map((e) => `OnCalendar=${e}`);
  const events = textOf("timer").filter((text) => text.startsWith("OnCalendar="));
  return events.join("\n") === wanted.join("\n") && starts(textOf("service"), line.command);
}

/** Whether a unit runs the daemon by this command; its log and environment file may be any. */
export function isDaemon(unit: UnitFile, command: readonly string[]): boolean {
  return unit.name === DAEMON_UNIT && starts(unit.text.split("\n"), command);
}

function starts(lines: readonly string[], command: readonly string[]): boolean {
  const { node, rest } = commandParts(command, quoteForSystemd);
  return lines.some((text) => text.startsWith(`ExecStart=${node} `) && text.endsWith(` ${rest}`));
}

function commandParts(
  command: readonly string[],
  quote: (word: string) => string,
): { node: string; rest: string } {
  const [node = "", ...rest] = command;
  const withoutEnvFile = rest.filter((word, index) => index > 0 || !word.startsWith("--env-file="));
  return { node: quote(node), rest: withoutEnvFile.map(quote).join(" ") };
}
