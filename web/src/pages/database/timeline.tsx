import { Group, SegmentedControl, Text, Tooltip } from "@mantine/core";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { counted } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";
import { utc } from "../../parts/moment.tsx";

type Listed = Answer<"backups">["databases"][number];

interface Point {
  readonly at: number;
  readonly lane: "own" | "provider";
  readonly look: "proven" | "unproven" | "failed" | "provider";
  readonly label: string;
  /** Where choosing it leads. */
  readonly to: string;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const SPANS = {
  "1 h": HOUR,
  "6 h": 6 * HOUR,
  "1 d": DAY,
  "7 d": 7 * DAY,
  "30 d": 30 * DAY,
  "1 y": 365 * DAY,
} as const;
type Span = keyof typeof SPANS;

const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** Every moment that can be brought back, on a line of time: ours, the service's, and the window in which it takes any. */
export function Timeline({ listed, now }: { readonly listed: Listed; readonly now: number }): ReactElement {
  const navigate = useNavigate();
  const points = pointsOf(listed);
  const [span, setSpan] = useState<Span>(() => spanFor(points, now));
  const from = now - SPANS[span];
  const shown = points.filter(({ at }) => at >= from && at <= now);
  const place = (at: number): string => `${((Math.max(at, from) - from) / (now - from)) * 100}%`;
  // Of what the service does not list nobody knows that it is there.
  const windowFrom =
    listed.provider === null || listed.provider.backups.length === 0
      ? undefined
      : Date.parse(listed.provider.assumedWindowFrom);
  const older = points.length - shown.length;
  return (
    <div>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="quiet">
          {counted(shown.length, "recovery point")}
          {older > 0 ? `, and ${older} older` : ""}. Choose one to restore it.
        </Text>
        <SegmentedControl
          size="xs"
          data={Object.keys(SPANS)}
          value={span}
          onChange={(value) => setSpan(value as Span)}
          aria-label="How far back"
        />
      </Group>
      <div className="timeline" role="group" aria-label="Recovery points">
        {windowFrom === undefined ? null : (
          <Tooltip
            label={`From ${utc(new Date(windowFrom).toISOString())} on the service should take any moment`}
          >
            <div className="window" style={{ left: place(windowFrom) }}>
              <span>any moment, by the service</span>
            </div>
          </Tooltip>
        )}
        {shown.map((point) => (
          <Tooltip key={`${point.lane} ${point.to}`} label={point.label}>
            <button
              type="button"
              className="point"
              data-look={point.look}
              data-lane={point.lane}
              style={{ left: place(point.at) }}
              aria-label={point.label}
              onClick={() => void navigate(point.to)}
            />
          </Tooltip>
        ))}
      </div>
      <div className="ticks" aria-hidden>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <span key={share}>{(SPANS[span] > DAY ? DATE : TIME).format(from + share * (now - from))}</span>
        ))}
      </div>
      <Group gap="md" mt={4}>
        <Legend look="proven" text="proven" />
        <Legend look="unproven" text="not proven yet" />
        <Legend look="failed" text="failed or damaged" />
        {listed.provider === null ? null : <Legend look="provider" text="the service's" />}
      </Group>
    </div>
  );
}

function Legend({ look, text }: { readonly look: Point["look"]; readonly text: string }): ReactElement {
  return (
    <Group gap={6}>
      <span className="point" data-look={look} data-legend />
      <Text size="xs" className="quiet">
        {text}
      </Text>
    </Group>
  );
}

/** The shortest that shows more than a few, or else all. */
function spanFor(points: readonly Point[], now: number): Span {
  const spans = Object.entries(SPANS) as [Span, number][];
  const enough = Math.min(5, points.length);
  const [span] = spans.find(([, ms]) => points.filter(({ at }) => at >= now - ms).length >= enough) ?? [];
  return span ?? "1 y";
}

function pointsOf({ database, backups, damaged, provider }: Listed): readonly Point[] {
  const broken = new Set(damaged.map(({ id }) => id));
  const restore = `/databases/${encodeURIComponent(database)}/restore`;
  const own = backups.map(({ id, snapshotAt, kind, proof }): Point => {
    const look =
      proof?.outcome === "failed" || broken.has(id) ? "failed" : proof === null ? "unproven" : "proven";
    const said = { proven: "proven", unproven: "not proven yet", failed: "proof failed" }[look];
    return {
      at: Date.parse(snapshotAt),
      lane: "own",
      look,
      label: `${kind} ${id}, ${utc(snapshotAt)}, ${said}`,
      to: `${restore}?backup=${id}`,
    };
  });
  const theirs = (provider?.backups ?? []).map(
    ({ createdAt }): Point => ({
      at: Date.parse(createdAt),
      lane: "provider",
      look: "provider",
      label: `the service's own backup, ${utc(createdAt)}`,
      to: `${restore}?at=${encodeURIComponent(createdAt)}`,
    }),
  );
  return [...own, ...theirs];
}
