import { type Command, InvalidArgumentError, Option } from "commander";
import { MOST_JOBS } from "../config/jobs.ts";
import { Keep } from "../config/keep.ts";
import { parseDuration } from "../lib/duration.ts";

const LONGEST_DEADLINE_MS = 24 * 24 * 3600 * 1000;

/** The two options that let every command work without a strategy. */
export function placeOptions(command: Command): Command {
  return command
    .addOption(new Option("--url <url>", "connection string of the live database, instead of a strategy"))
    .addOption(
      new Option(
        "--repository <place>",
        "folder, file:// or s3:// URL where backups are kept (repeated: each keeps every backup)",
      ).argParser(many),
    );
}

/** `--new-place`, of commands that write every backup to several places. */
export function newPlaceOption(): Option {
  return new Option(
    "--new-place",
    "make a place that is no repository one and fill it, though others have backups or this machine wrote some there (without: its disk counts as not mounted)",
  );
}

/** `--as-of`, of commands that only read the repository. */
export function asOfOption(): Option {
  return new Option(
    "--as-of <time>",
    "read the bucket as it was at this time (2026-11-28T02:00:00Z), whatever was overwritten or deleted since",
  ).argParser(momentArgument);
}

/** A moment with its zone: an hour off would be a costly one. */
export function momentArgument(value: string): Date {
  const at = new Date(value);
  const isWhole = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)$/.test(value);
  if (isWhole && !Number.isNaN(at.getTime())) return at;
  throw new InvalidArgumentError(
    "Write a time with its zone, such as 2026-11-28T02:00:00Z or 2026-11-28T03:00+01:00.",
  );
}

/** Collects an option that may be given more than once. */
export function many(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** `--keep days=14 --keep last=3` → a retention rule. */
export function keepOption(): Option {
  return new Option(
    "--keep <rule=count>",
    "retention for all backups of the database, also those of other entries, instead of the strategy's: days, last, hourly, daily, weekly, monthly, yearly or min (may be repeated)",
  ).argParser((value: string, previous: Keep | undefined): Keep => {
    const [, rule, count] = /^([a-z]+)=(\d+)$/.exec(value) ?? [];
    const parsed = Keep.safeParse({ ...previous, [rule ?? value]: Number(count) });
    if (parsed.success) return parsed.data;
    throw new InvalidArgumentError("Write a rule and a whole number from 1 on, such as days=14.");
  });
}

export function durationArgument(value: string): number {
  const ms = parseDuration(value);
  if (ms === undefined) throw new InvalidArgumentError("Write a duration such as 90s, 30m, 24h or 7d.");
  return ms;
}

/** `--deadline`: no longer than a timer of Node. */
export function deadlineArgument(value: string): number {
  const ms = durationArgument(value);
  if (ms > 0 && ms <= LONGEST_DEADLINE_MS) return ms;
  throw new InvalidArgumentError("Write a duration of 1s to 24d.");
}

/** `--file`. */
export function fileArgument(value: string): string {
  if (value !== "" && value !== "-") return value;
  throw new InvalidArgumentError("Write the path of a file: it is read back, which nothing else can be.");
}

/** `--jobs`. */
export function jobsArgument(value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value) && Number(value) <= MOST_JOBS) return Number(value);
  throw new InvalidArgumentError(
    `Write a whole number from 1 to ${MOST_JOBS}: each is a connection, and a server allows 100 unless told otherwise.`,
  );
}

// Enough to hide the latency of a bucket, few enough for a small machine.
const COPY_JOBS = 8;

/** How many objects are copied at the same time. */
export function copyJobsOf({ jobs }: { readonly jobs?: number }): number {
  return jobs ?? COPY_JOBS;
}

export function positiveInteger(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError("Write a whole number from 1 on.");
  return Number(value);
}
