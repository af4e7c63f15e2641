import { z } from "zod";
import { SCENARIOS } from "../../config/drills.ts";
import { PlanProgressJson, ProgressJson, StepProgressJson } from "../../json/progress.ts";
import { bytes, milliseconds, time } from "../../json/common.ts";
import type { RecoverJson } from "../../json/recover.ts";
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
const someBackup = z
  .string()
  .regex(new RegExp(`${BACKUP_ID.source}|^latest$`))
  .describe("Identity of a backup, or `latest`");
const backup = someBackup.default("latest");
const none = z.strictObject({}).default({});

/** Said again before something that replaces or inserts data is done. */
const confirm = z
  .strictObject({
    name: z.string().max(128).describe("The database's name, typed"),
    password: z.string().max(1024).optional().describe("The password, again"),
  })
  .optional()
  .describe("Needed where something of production is replaced or written to, or costs money");

const tables = z
  .array(word(300))
  .max(1000)
  .optional()
  .describe("Only these tables, each written schema.table");
const where = word(4000).optional().describe("Only rows for which this SQL condition holds");
const moment = z.iso.datetime({ offset: true }).describe("A moment");
const note = z.string().min(1).max(4000).optional().describe("What was seen");

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
      level: z
        .enum(["integrity", "restore", "content"])
        .optional()
        .describe("How far; else what the strategy says"),
      entry: entry.optional(),
    })
    .refine(({ level, entry: named }) => level === undefined || named === undefined, "either level or entry")
    .default({ backup: "latest" }),
});

const Restore = z.strictObject({
  kind: z.literal("restore"),
  database,
  confirm,
  options: z
    .strictObject({
      backup,
      to: z
        .enum(["new", "swap"])
        .describe("Into a new database, or in place of the live one, which is kept beside"),
      newDatabase: word(63).optional().describe("With `new`: its name; one is made, else"),
      schemas: z.array(word(128)).max(1000).optional().describe("Only these schemas"),
      tables,
    })
    .refine(
      ({ to, newDatabase }) => to === "new" || newDatabase === undefined,
      "`newDatabase` goes with `new` only",
    ),
});

const UndoRestore = z.strictObject({ kind: z.literal("undo-restore"), database, confirm, options: none });

const MissingRows = z.strictObject({
  kind: z.literal("missing-rows"),
  database,
  confirm,
  options: z
    .strictObject({
      backup,
      tables,
      where,
      disableTriggers: z.boolean().optional().describe("The tables' triggers do not fire"),
    })
    .default({ backup: "latest" }),
});

const ProviderRestore = z.strictObject({
  kind: z.literal("provider-restore"),
  database,
  confirm,
  options: z
    .strictObject({
      at: moment.optional().describe("The moment that is brought back; the service's newest backup, else"),
      newCluster: word(63).optional().describe("Name of the new cluster"),
      destroyAfter: z.boolean().optional().describe("Destroy it once it was checked"),
    })
    .default({}),
});

const others = z
  .array(word(128))
  .max(100)
  .optional()
  .describe("Further databases, of a scenario that takes several");

const to = z
  .array(
    z.strictObject({
      database: word(128).describe("The database"),
      url: word(2000)
        .regex(/^postgres(ql)?:\/\//, "is no URL of a PostgreSQL server")
        .describe(
          "The (new or empty) database that it becomes; its password is kept nowhere and shown nowhere",
        ),
    }),
  )
  .min(1)
  .max(100)
  .optional()
  .describe("Where they come back, in place of where they were");

const Drill = z.strictObject({
  kind: z.literal("drill"),
  database,
  confirm,
  options: z.strictObject({
    scenario: z.enum(SCENARIOS).describe("What is to have happened"),
    with: others,
    backup: someBackup.optional().describe("Identity of a backup, or `latest`; the newest proven one, else"),
    from: z
      .enum(["provider", "backup", "rebuild"])
      .optional()
      .describe(
        "What it is made from; as with `recover`, else. From the provider a cluster is made, and destroyed",
      ),
    at: moment.optional().describe("With provider-down and data-deleted: the moment to come back to"),
    tables: tables.describe("With data-deleted: tables that are to have lost rows"),
    where: where.describe("With data-deleted: only rows for which this SQL condition holds"),
    entry: entry.optional(),
    note,
  }),
});

const Recover = z.strictObject({
  kind: z.literal("recover"),
  database,
  confirm,
  options: z.strictObject({
    scenario: z.enum([...SCENARIOS, "together"]).describe("What has happened"),
    with: others,
    backup: someBackup.optional().describe("Identity of a backup, or `latest`; the newest proven one, else"),
    from: z.enum(["provider", "backup", "rebuild"]).optional().describe("What it is made from"),
    at: moment.optional().describe("The moment to come back to"),
    to,
    tables,
    where,
    whole: z.boolean().optional().describe("With data-deleted: whole tables, into a new database beside"),
    newDatabase: word(63).optional().describe("With `whole`: its name"),
    restart: z.boolean().optional().describe("Begin anew, although one was begun and has not ended"),
    despiteAssertions: z
      .boolean()
      .optional()
      .describe("Go on although some of the strategy's assertions are not true of what was restored"),
    back: z.boolean().optional().describe("Undo what one that has not ended has done"),
  }),
});

const Copy = z.strictObject({
  kind: z.literal("copy"),
  database,
  options: z
    .strictObject({
      from: z.array(word(128)).max(20).optional().describe("Read from these places only"),
      to: z.array(word(128)).max(20).optional().describe("Write to these places only"),
    })
    .default({}),
});

const Prune = z.strictObject({ kind: z.literal("prune"), database, options: none });

const ChecklistDone = z.strictObject({
  kind: z.literal("checklist-done"),
  options: z.strictObject({ duty: word(128).describe("Its name in the strategy"), note }),
});

const NotifyTest = z.strictObject({
  kind: z.literal("notify-test"),
  options: z.strictObject({ channel: word(128).describe("Its name in the strategy") }),
});

const DrillNote = z.strictObject({
  kind: z.literal("drill-note"),
  options: z.strictObject({
    id: z.string().regex(RUN_ID).describe("Identity of the drill or recovery"),
    note: z.string().min(1).max(4000).describe("What you learned"),
  }),
});

/** The body of `POST /api/jobs`. */
export const JobRequest = z
  .discriminatedUnion("kind", [
    Backup,
    Verify,
    Restore,
    UndoRestore,
    MissingRows,
    ProviderRestore,
    Drill,
    Recover,
    Copy,
    Prune,
    ChecklistDone,
    NotifyTest,
    DrillNote,
  ])
  .meta({ title: "what is to be done" });
export type JobRequest = z.infer<typeof JobRequest>;

/** The body of `POST /api/plans`: of what can be asked to be done, what can be looked at before. */
export const PlanRequest = z
  .discriminatedUnion("kind", [Restore, UndoRestore, MissingRows, ProviderRestore, Recover, Copy, Prune])
  .meta({ title: "what is to be looked at" });
export type PlanRequest = z.infer<typeof PlanRequest>;

/** The body of `POST /api/strategy/validate`. */
export const StrategyText = z.strictObject({
  text: z.string().max(60_000).describe("All of a strategy file"),
});

export const StrategyVerdictJson = z
  .strictObject({
    valid: z.boolean().describe("Whether it could be in force"),
    problems: z
      .array(z.strictObject({ line: z.int(), column: z.int(), message: z.string() }))
      .describe("What is wrong with it, and where"),
  })
  .meta({ title: "verdict on a strategy" });
export type StrategyVerdictJson = z.infer<typeof StrategyVerdictJson>;

/** What a command says that it would do. */
export const PlanJson = z
  .strictObject({
    command: z.array(z.string()).describe("The same as a command line of `handled`"),
    notes: z.array(z.string()).describe("What is to be known about it, in words"),
    text: z.string().describe("What would be done, as the command prints it for people"),
    result: z.unknown().describe("What the command printed with `--dry-run --json`"),
  })
  .meta({ title: "plan" });
export type PlanJson = z.infer<typeof PlanJson>;
/** `result` of the plan of a recovery. */
export type RecoveryPlan = RecoverJson;

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
  before: jobId.optional().describe("Only jobs that are older than this one"),
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
  .strictObject({
    jobs: z.array(JobJson).describe("Newest first"),
    next: jobId.nullable().describe("`before` of the page that follows; null where there is nothing more"),
  })
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
  PlanProgressJson.extend({ seq, at, kind: z.literal("plan") }),
  StepProgressJson.extend({ seq, at, kind: z.literal("step") }),
  z.strictObject({
    seq,
    at,
    kind: z.literal("line"),
    level: z.enum(["note", "warning", "error", "result"]),
    text: z.string(),
    hint: z.string().nullable(),
  }),
]);
export type JobEvent = z.infer<typeof JobEvent>;
