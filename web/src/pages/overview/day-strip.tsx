import { Group, Text, Tooltip } from "@mantine/core";
import { useState, type KeyboardEvent, type ReactElement } from "react";
import { counted } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";

type Days = Answer<"days">["databases"][number];
type Day = Days["days"][number];

const MARKS = ["backup", "proof", "failure"] as const;
type Mark = (typeof MARKS)[number];

// A day is one by the calendar, whatever zone the browser is in.
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/**
 * What ran on each of the last days: three rows of marks, which differ by place and form and not by colour alone. It is one stop of the
 * Tab key; arrows go from day to day.
 */
export function DayStrip({ of }: { readonly of: Days | undefined }): ReactElement {
  const days = of?.days ?? [];
  const [chosen, choose] = useState<number | undefined>();
  const at = Math.min(chosen ?? days.length - 1, days.length - 1);
  const move = (event: KeyboardEvent<HTMLDivElement>): void => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: days.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(days.length - 1, to));
    choose(next);
    (event.currentTarget.children[next] as HTMLElement | undefined)?.focus();
  };
  return (
    <div>
      <Text size="sm" mb={4}>
        {titleOf(of)}
      </Text>
      <div className="days" role="group" aria-label={titleOf(of)} onKeyDown={move}>
        {days.map((day, n) => (
          <Tooltip key={day.day} label={describe(day)} events={{ hover: true, focus: true, touch: true }}>
            <div
              className="day"
              role="img"
              aria-label={describe(day)}
              tabIndex={n === at ? 0 : -1}
              onFocus={() => choose(n)}
            >
              {MARKS.map((mark) => (
                <span
                  key={mark}
                  {...(countOf(day, mark) > 0 ? { className: "mark", "data-of": mark } : {})}
                />
              ))}
            </div>
          </Tooltip>
        ))}
      </div>
      <Group gap="md" mt={4} aria-hidden>
        {MARKS.map((mark) => (
          <Group gap={6} key={mark}>
            <span className="mark" data-of={mark} />
            <Text size="xs" className="quiet">
              {mark}
            </Text>
          </Group>
        ))}
      </Group>
    </div>
  );
}

function countOf({ backups, proofs, failures }: Day, mark: Mark): number {
  return { backup: backups, proof: proofs, failure: failures }[mark];
}

/** `Last 30 days: 28 backups, 4 proofs, 1 failure`. */
function titleOf(of: Days | undefined): string {
  if (of === undefined) return "Last 30 days";
  if (of.days.length === 0) return "Last 30 days: not known, its places could not be read";
  const total = (mark: Mark): number => of.days.reduce((sum, day) => sum + countOf(day, mark), 0);
  const told = MARKS.map((mark) => counted(total(mark), mark)).join(", ");
  return `Last ${of.days.length} days: ${told}${of.unread.length > 0 ? ", in the places that could be read" : ""}`;
}

function describe(day: Day): string {
  const told = MARKS.flatMap((mark) => (countOf(day, mark) > 0 ? counted(countOf(day, mark), mark) : []));
  const also = day.degraded > 0 ? [`${day.degraded} degraded`] : [];
  const all = [...told, ...also];
  return `${DAY.format(new Date(day.day))}: ${all.length === 0 ? "no backup, proof or failure" : all.join(", ")}`;
}
