import { isAbsolute } from "node:path";
import { z } from "zod";
import { messageOf } from "../errors.ts";
import { parseRecipient } from "../lib/age/keys.ts";
import { ApplicationFile, applicationKeys, isApplicationCommandPath } from "./application.ts";
import { assertedKeys } from "./assertions.ts";
import { duration, LONGEST_TIMEOUT } from "./durations.ts";
import { MOST_JOBS } from "./jobs.ts";
import { heartbeatKeys } from "./heartbeat.ts";
import { Keep } from "./keep.ts";
import { drillKeys } from "./drills.ts";
import { Duty } from "./duties.ts";
import { isLateNotifyPath, NotifyFile } from "./notify.ts";
import { checked, label, text } from "./fields.ts";
import { isLateProviderPath, ProviderFile } from "./provider.ts";
import { Objectives } from "./objectives.ts";
import { RunbookFile } from "./runbook.ts";
import { isRebuildCommandPath, rebuildKeys } from "./rebuild.ts";
import { cronExpression, Daemon, Deadline, Scheduled, Verification } from "./scheduled.ts";
import { timeZoneProblem } from "./time-zone.ts";

// PostgreSQL cuts longer names off; two databases would then share one name.
const NAME_BYTES = 63;

function postgresNameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  if (Buffer.byteLength(name, "utf8") > NAME_BYTES) return `must not be longer than ${NAME_BYTES} bytes`;
  if (/\p{Cc}/u.test(name) || !name.isWellFormed()) return "must not have control characters";
  return undefined;
}

const postgresName = () => checked(postgresNameProblem);

function recipientProblem(recipient: string): string | undefined {
  try {
    parseRecipient(recipient);
    return undefined;
  } catch (error) {
    return `must be an age recipient: ${messageOf(error).replace(/^read (a )?recipient[^:]*: /, "")}`;
  }
}

const Backup = z.strictObject({
  name: label().describe("Name of the entry, unique within the database"),
  kind: z
    .enum(["archive", "snapshot"])
    .default("archive")
    .describe(
      "`archive`: one file, made by `pg_dump`; `snapshot`: in parts, of which only what changed is read and stored",
    ),
  format: z
    .enum(["plain", "custom"])
    .optional()
    .describe(
      "Of an archive. `plain` (default): SQL text for `psql`; `custom`: `pg_dump`'s own format for `pg_restore`",
    ),
  compression: z
    .enum(["gzip", "zstd"])
    .optional()
    .describe(
      "Of an archive: `gzip` (default) or `zstd`. `custom` with `zstd` needs PostgreSQL clients of version 16 or later",
    ),
  jobs: z
    .int()
    .min(1)
    .max(MOST_JOBS)
    .optional()
    .describe(
      "Of a snapshot: how many connections read at the same time, at most 64; default: as many as there are cores",
    ),
  schedule: cronExpression()
    .optional()
    .describe(
      "When to take it: the five fields of cron, in the strategy's time zone; without it only by hand",
    ),
  deadline: Deadline,
  keep: Keep.optional().describe(
    "Which backups stay; one stays when any rule wants it. Without it every backup stays",
  ),
});

const Database = z.strictObject({
  url: text().describe(
    "Connection string as `psql` takes it: URI, keywords or `service=…`. Its variables are looked up when it is needed",
  ),
  schemas: z
    .array(postgresName())
    .min(1)
    .optional()
    .describe("Schemas to protect; without it the whole database"),
  criticality: z
    .enum(["critical", "high", "medium", "low"])
    .default("medium")
    .describe("How badly its loss would hurt"),
  objectives: Objectives.prefault({}).describe("What `handled status` measures the database against"),
  repository: z
    .string()
    .optional()
    .describe("Name of the repository for its backups; may be left out when there is exactly one"),
  repositories: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "Names of several repositories, in place of `repository`: every backup is kept in each. The first is written to first and " +
        "read from first, so the nearest should lead",
    ),
  backups: z.array(Backup).prefault([]).describe("The backups to take"),
  verify: z.array(Verification).prefault([]).describe("Which proofs of them to renew, and when"),
  ...drillKeys,
  prune: Scheduled.optional().describe("When `handled prune` runs; each backup does the same at its end"),
  copy: Scheduled.optional().describe(
    "When `handled copy` brings over what a place lacks; each backup does the same at its end",
  ),
  ...applicationKeys,
  provider: ProviderFile.optional().describe(
    "The managed service that runs the database, and takes backups of its own",
  ),
  ...assertedKeys,
  ...rebuildKeys,
  ...heartbeatKeys,
  lockTimeout: duration(LONGEST_TIMEOUT)
    .prefault("30s")
    .describe("How long a backup waits for a table that another session has locked"),
});

const Repository = z.strictObject({
  url: text().describe(
    "A folder or `file://` URL, or a bucket: `s3://bucket/prefix?endpoint=https://…&region=…`, without an endpoint one of AWS. " +
      "A relative folder starts at the strategy file's, `~/` at the home folder. Variables are looked up when it is needed",
  ),
  accessKey: text()
    .optional()
    .describe(
      "Access key for a bucket, as `${NAME}`. Without it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else the profile",
    ),
  secretKey: text().optional().describe("Secret key that belongs to `accessKey`, as `${NAME}`"),
  recipients: z
    .array(checked(recipientProblem))
    .min(1, { error: "must name at least one recipient" })
    .optional()
    .describe(
      "age keys (`age1…`) to which every backup in it is encrypted; `handled key new` makes one. The identity that belongs " +
        "to one of them is needed to restore, and nothing else: this host can write, list and delete backups, not read them",
    ),
  hostKey: checked((path) => (isAbsolute(path) ? undefined : "must be an absolute path"))
    .optional()
    .describe(
      "File with the key by which this host reads back what it needs to go on writing. Default: `~/.config/handled/host.key`; made when it is missing",
    ),
  lock: duration("3650d")
    .optional()
    .describe(
      "Of a bucket with object lock: how long at least everything that is needed stays undeletable after the last run, " +
        "whoever has the keys. It is locked for twice as long, and again when less than this is left",
    ),
  lockMode: z
    .enum(["compliance", "governance"])
    .optional()
    .describe("`compliance` (the default): nobody can lift it. `governance`: a right of its own can"),
  garbageAge: duration()
    .prefault("24h")
    .describe(
      "How long parts of deleted snapshots stay, once it was noted that no backup needs them. Time to bring a deleted " +
        "backup's manifest back, and for programs that read the repository without telling",
    ),
  keep: Keep.optional().describe(
    "Which backups stay in this repository, whatever entry asked for them: in place of the `keep` of the entries",
  ),
});

const Recovery = z.strictObject({
  keepReplaced: duration()
    .prefault("7d")
    .describe("How long a database that a swap replaced stays on the server as `NAME_before_<time>`"),
});

const Contact = z.strictObject({
  name: text().describe("Who"),
  role: text().describe("For what: `on call`, `owner of the data`, `hosting provider`"),
  email: z.email({ error: "must be an e-mail address" }).optional().describe("E-mail address"),
  phone: text().optional().describe("Phone number, in quotes"),
  note: text().optional().describe("Anything else: hours, contract number, where the keys are"),
});

function notEmpty(entries: object): boolean {
  return Object.keys(entries).length > 0;
}

/** `handled.yaml` as it is written, checked field by field. What concerns several fields is in `cross-checks.ts`. */
export const StrategyFile = z.strictObject({
  version: z.literal(1).describe("Version of this file's format"),
  timezone: checked(timeZoneProblem)
    .meta({ title: "time zone" })
    .optional()
    .describe(
      "IANA name; used in file names, schedules and to tell days apart in `keep`. Default: the machine's",
    ),
  archivePrefix: checked((prefix) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/.test(prefix)
      ? undefined
      : "must be at most 32 letters, digits, `.`, `_` and `-`",
  )
    .default("handled")
    .describe("How the names of archive files begin"),
  repositories: z
    .record(label(), Repository)
    .refine(notEmpty, "needs at least one repository")
    .describe("Where backups are kept, by name"),
  databases: z
    .record(postgresName(), Database)
    .refine(notEmpty, "needs at least one database")
    .describe("The databases to protect, by the name that commands and backups use"),
  application: ApplicationFile.optional().describe(
    "The application that uses the databases; a swap stops it first and starts it afterwards",
  ),
  recovery: Recovery.prefault({}).describe("How databases are brought back"),
  daemon: Daemon.prefault({}).describe("How `handled serve` runs all that is scheduled"),
  duties: z
    .array(Duty)
    .prefault([])
    .describe(
      "What people have to do again and again; `handled checklist` shows it beside what is scheduled",
    ),
  contacts: z.array(Contact).prefault([]).describe("Whom to call"),
  notify: NotifyFile.optional().describe("Who is told when something is wrong, and how"),
  runbook: RunbookFile.optional().describe(
    "What to do when something is lost, kept written by `handled serve`",
  ),
});
export type StrategyFile = z.output<typeof StrategyFile>;

/** Whether the strategy's format has one block at this path that is a shell command, which we must not touch. */
export function isCommandPath(path: readonly PropertyKey[]): boolean {
  if (isRebuildCommandPath(path) || isApplicationCommandPath(path)) return true;
  const [section, key] = path.slice(-2);
  return section === "trial" && (key === "stop" || key === "start");
}

/** Whether the value at this path is looked up in the environment only when it is needed. */
export function isLatePath(path: readonly PropertyKey[]): boolean {
  const [section, , key] = path;
  if (path.length !== 3) return isLateNotifyPath(path) || isLateProviderPath(path);
  if (section === "repositories") return key === "url" || key === "accessKey" || key === "secretKey";
  return section === "databases" && key === "url";
}
