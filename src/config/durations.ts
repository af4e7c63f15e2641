import { z } from "zod";
import { parseDuration } from "../lib/duration.ts";

/** Node's timers and PostgreSQL's `lock_timeout` both count milliseconds in 31 bits. */
export const LONGEST_TIMEOUT = "24d";
// Longer than any archive is kept for, and far from where dates overflow.
const LONGEST = "5200w";

/** How the type of these fields is called in the reference and in messages. */
export const DURATION_TITLE = "duration";

const milliseconds = (text: string): number => Math.round(parseDuration(text) ?? 0);

/** A duration in the strategy (`90s`, `30m`, `24h`, `7d`, `1h 30m`): text in, whole milliseconds ≥ 1 out. */
export function duration(longest: string = LONGEST) {
  return z
    .string()
    .refine((text) => parseDuration(text) !== undefined, {
      error: "must be a duration such as `90s`, `30m`, `24h` or `7d`",
      abort: true,
    })
    .refine((text) => milliseconds(text) > 0, "must be longer than nothing")
    .refine((text) => milliseconds(text) <= milliseconds(longest), `must not be longer than \`${longest}\``)
    .transform(milliseconds)
    .meta({ title: DURATION_TITLE, pattern: String.raw`^\s*(\d+(\.\d+)?\s*(s|min|m|h|d|w)\s*)+$` });
}
