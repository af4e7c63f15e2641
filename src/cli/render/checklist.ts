import type { Checklist, ChecklistItem } from "../../operations/checklist/checklist.ts";
import type { ChecklistJson } from "../../json/checklist.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

export function checklistJson({ items, failures }: Checklist): ChecklistJson {
  return {
    duties: items.map(({ lastAt, until, ...item }) => ({
      ...item,
      lastAt: lastAt?.toISOString() ?? null,
      until: until.toISOString(),
    })),
    unread: failures.map(({ message }) => message),
  };
}

const BOX = { done: "✓", open: "·", overdue: "✗" } as const;
const COLOR = { done: "green", open: "yellow", overdue: "red" } as const;

/** A table for each period, as a team ticks it off. */
export function renderChecklist(output: Output, { items }: Checklist, now: Date, timeZone: string): string {
  if (items.length === 0) return "nothing is to be done: the strategy schedules nothing and has no `duties`";
  const periods = [...new Set(items.map(({ every }) => every))];
  return periods
    .map((period) => {
      const rows = items.filter(({ every }) => every === period);
      return [output.paint("bold", period), tableOf(output, rows, now, timeZone)].join("\n");
    })
    .join("\n\n");
}

function tableOf(output: Output, items: readonly ChecklistItem[], now: Date, timeZone: string): string {
  return renderTable(
    ["STATE", "DATABASE", "DUTY", "LAST DONE", "UNTIL", "EVIDENCE"].map((title) => ({ title })),
    items.map(({ state, database, name, by, what, lastAt, until, evidence }) => [
      output.paint(COLOR[state], `${BOX[state]} ${state}`),
      database,
      by === "person" ? `${name}: ${what}` : name,
      lastAt === null ? "never" : formatAge(lastAt, now),
      formatTime(until, timeZone),
      evidence ?? "-",
    ]),
    output.width,
  );
}
