import { Tooltip } from "@mantine/core";
import { useEffect, useState, type ReactElement } from "react";
import { formatDuration } from "../../../src/lib/text.ts";

/** In the viewer's own zone, to the second. */
export const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** `2026-11-29 07:34:39 UTC`. */
export function utc(at: string): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A moment in the viewer's own zone; in UTC for whoever points at it. */
export function Moment({
  at,
  exact = false,
}: {
  readonly at: string;
  readonly exact?: boolean;
}): ReactElement {
  return (
    <Tooltip label={utc(at)} events={{ hover: true, focus: true, touch: true }}>
      <time dateTime={at}>{(exact ? EXACT : SHORT).format(new Date(at))}</time>
    </Tooltip>
  );
}

/** How long ago, or until when, a moment is; it goes on while one looks. */
export function Ago({ at }: { readonly at: string }): ReactElement {
  const now = useNow(Math.abs(Date.now() - Date.parse(at)) < 120_000 ? 1_000 : 15_000);
  return (
    <Tooltip
      label={`${EXACT.format(new Date(at))} · ${utc(at)}`}
      events={{ hover: true, focus: true, touch: true }}
    >
      <time dateTime={at}>{agoOf(Date.parse(at) - now)}</time>
    </Tooltip>
  );
}

function agoOf(ms: number): string {
  const distance = roughly(Math.abs(ms));
  if (distance === "now") return distance;
  return ms > 0 ? `in ${distance}` : `${distance} ago`;
}

/** `3 h 20 min`, without what would change every second. */
function roughly(ms: number): string {
  return ms < 5_000
    ? "now"
    : formatDuration(ms < 60_000 ? Math.floor(ms / 5_000) * 5_000 : Math.floor(ms / 60_000) * 60_000).replace(
        ".0 s",
        " s",
      );
}

/** The time by this machine's clock, in milliseconds; it changes every so many. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
