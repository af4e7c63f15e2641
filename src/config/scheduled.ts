import { z } from "zod";
import { duration, LONGEST_TIMEOUT } from "./durations.ts";
import { checked, label } from "./fields.ts";
import { Http, PublicUrl } from "./http-address.ts";
import { normalizeSchedule, scheduleProblem } from "./schedule.ts";

/** The five fields of cron, with one space between them. */
export const cronExpression = () =>
  checked(scheduleProblem).transform(normalizeSchedule).meta({ title: "cron expression" });

export const Deadline = duration(LONGEST_TIMEOUT)
  .optional()
  .describe(
    "How long a scheduled run may take; then it is stopped and has failed. `handled serve`: `12h` without it",
  );

/** What is done of a database at its time, and has no name because there is one of it. */
export const Scheduled = z.strictObject({
  schedule: cronExpression().describe("The five fields of cron, in the strategy's time zone"),
  deadline: Deadline,
});

export const Verification = z.strictObject({
  name: label().describe("Name of the entry, unique within the database"),
  level: z
    .enum(["integrity", "restore", "content", "assertions"])
    .describe("What is proven of the newest backup, as `handled verify --level` does"),
  schedule: cronExpression()
    .optional()
    .describe("When: the five fields of cron, in the strategy's time zone; without it only by hand"),
  deadline: Deadline,
});

const RETRIES = 2;

export const Daemon = z.strictObject({
  jobs: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .describe("How many runs at most go on at the same time; never two of one database"),
  jitter: duration("12h")
    .optional()
    .describe(
      "By how much runs are put off at most, each by a share of its own: so that not everything starts at the same minute",
    ),
  retries: z
    .int()
    .min(0)
    .max(10)
    .default(RETRIES)
    .describe("How often a run that failed or was interrupted is tried again before its next time"),
  retryAfter: duration("24h")
    .prefault("5m")
    .describe("How long after a failure it is tried again; three times as long after each further one"),
  http: Http,
  url: PublicUrl,
});
