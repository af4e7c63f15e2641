import { z } from "zod";
import { ProgressJson } from "../../json/progress.ts";
import { bytes, milliseconds, time } from "../../json/common.ts";
import { RUN_ID } from "../../repository/run-file.ts";
import { BACKUP_ID } from "../../repository/ids.ts";

// What may be asked to be done, and what is told of it. A value is never an option: see `src/jobs/job-arguments.ts`.

/** One line, as an argument of a command can hold it. */
const word = (most: number) =>
  z
    .string()
    .min(1)
    .max(most)
    .regex(/^[^\p{Cc}]+$/u, "holds a control character");

const database = word(128).describe("Name of a database in the strategy");
const entry = word(128).describe("Name of the strategy's entry");
const backup = z
  .string()
  .regex(new RegExp(`${BACKUP_ID.source}|^latest$`))
  .default("latest")
  .describe("Identity of a backup, or `latest`");
const none = z.strictObject({}).default({});

const Backup = z.strictObject({
  kind: z.literal("backup"),
  database,
  options: z
    .strictObject({
      entry: entry.optional(),
      fullRead: z.boolean().optional().describe("Read and store everything of a snapshot anew"),
    })
    .default({}),
});

const Verify = z.strictObject({
  kind: z.literal("verify"),
  database,
  options: z
    .strictObject({
      backup,
      level: z.enum(["integrity", "restore", "content"]).optional().describe("How far; the strategy's, else"),
      entry: entry.optional(),
    })
    .refine(({ level, entry: named }) => level === undefined || named === undefined, "either level or entry")
    .default({ backup: "latest" }),
});

const Prune = z.strictObject({ kind: z.literal("prune"), database, options: none });

/** The body of `POST /api/jobs`. */
export const JobRequest = z
  .discriminatedUnion("kind", [Backup, Verify, Prune])
  .meta({ title: "what is to be done" });
export type JobRequest = z.infer<typeof JobRequest>;

export const JOB_KINDS = JobRequest.options.map(({ shape }) => shape.kind.value);
export const JOB_STATES = ["running", "done", "degraded", "failed", "interrupted"] as const;

export const LastEvent = z.object({
  "last-event-id": z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("`id` of the last event that was heard"),
});

const jobId = z.string().regex(RUN_ID).describe("Identity of the job");

export const OneJob = z.strictObject({ id: jobId });

export const WhichJobs = z.strictObject({
  database: z.string().max(128).optional().describe("Only jobs of this database"),
  state: z.enum(JOB_STATES).optional().describe("Only jobs in this state"),
  last: z.coerce.number().int().min(1).max(200).default(50).describe("No more than so many"),
});
export type WhichJobs = z.infer<typeof WhichJobs>;

const failure = z
  .strictObject({
    code: z.string().describe("Code of the error"),
    message: z.string().describe("What went wrong"),
    hint: z.string().nullable().describe("What to do about it"),
  })
  .nullable()
  .describe("Why it failed; null where it did not, or nobody knows");

export const JobJson = z
  .strictObject({
    id: jobId,
    kind: z.enum(JOB_KINDS).describe("What is done"),
    database: z.string().nullable().describe("The database that is worked on; null where there is none"),
    options: z.record(z.string(), z.unknown()).describe("As it was asked for"),
    command: z.array(z.string()).describe("The same as a command line of `handled`"),
    by: z.string().describe("Who asked for it"),
    startedAt: time.describe("When it began"),
    endedAt: time.nullable().describe("When it ended; null while it runs"),
    durationMs: milliseconds.nullable().describe("How long it took; null while it runs"),
    state: z
      .enum(JOB_STATES)
      .describe("How it is; degraded: done, but not everywhere or not as well as it should be"),
    how: z.string().nullable().describe("How it ended: exit code or signal; null while it runs"),
    cancelledBy: z.string().nullable().describe("Who had it stopped; null where nobody has"),
    progress: ProgressJson.nullable().describe("How far it was when it last said so; null where it did not"),
    error: failure,
  })
  .meta({ title: "job" });
export type JobJson = z.infer<typeof JobJson>;

/** With what the command printed; it is not in lists, for it may be long. */
export const JobDetailsJson = JobJson.extend({
  result: z.unknown().describe("What the command printed with `--json`; null where it printed nothing"),
}).meta({ title: "job with its result" });
export type JobDetailsJson = z.infer<typeof JobDetailsJson>;

export const JobsJson = z
  .strictObject({ jobs: z.array(JobJson).describe("Newest first") })
  .meta({ title: "jobs" });
export type JobsJson = z.infer<typeof JobsJson>;

const seq = bytes.describe("Place in the job's events: later ones have larger ones");
const at = time.describe("When it was said");

/** `data` of each event of `/api/jobs/ID/events`; its `id` is `seq`. */
export const JobEvent = z.discriminatedUnion("kind", [
  z.strictObject({
    seq,
    at,
    kind: z.literal("state"),
    state: z.enum(JOB_STATES),
    how: z.string().nullable().describe("Exit code or signal; null while it runs"),
  }),
  ProgressJson.extend({ seq, at, kind: z.literal("progress") }),
  z.strictObject({
    seq,
    at,
    kind: z.literal("line"),
    level: z.enum(["note", "warning", "error"]),
    text: z.string(),
    hint: z.string().nullable(),
  }),
]);
export type JobEvent = z.infer<typeof JobEvent>;
