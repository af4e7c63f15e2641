import { parseCron, toCalendarEvents, toCrontab } from "./cron-expression.ts";
import type { ScheduledStrategy } from "./jobs.ts";
import type { ScheduledLine } from "./plan.ts";
import { quoteForCrontab, quoteForSystemd } from "./quoting.ts";
import { type UnitFile, unitName } from "./systemd-units.ts";

/** Whether one of the crontab's lines does this at its times; its log and environment file may be any. */
export function isInCrontab(line: ScheduledLine, crontab: readonly string[]): boolean {
  const { node, rest } = commandParts(line, quoteForCrontab);
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
  const { node, rest } = commandParts(line, quoteForSystemd);
  const wanted = toCalendarEvents(parseCron(line.schedule), strategy.timeZone).map((e) => `OnCalendar=${e}`);
  const events = textOf("timer").filter((text) => text.startsWith("OnCalendar="));
  return (
    events.join("\n") === wanted.join("\n") &&
    textOf("service").some((text) => text.startsWith(`ExecStart=${node} `) && text.endsWith(` ${rest}`))
  );
}

function commandParts(line: ScheduledLine, quote: (word: string) => string): { node: string; rest: string } {
  const [node = "", ...rest] = line.command;
  const withoutEnvFile = rest.filter((word, index) => index > 0 || !word.startsWith("--env-file="));
  return { node: quote(node), rest: withoutEnvFile.map(quote).join(" ") };
}
