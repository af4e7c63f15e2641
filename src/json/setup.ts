import { z } from "zod";
import { count, milliseconds, time } from "./common.ts";

// What commands that set up and check print with `--json`.

const subject = z.string().nullable().describe("The database it is about; null for the machine");

export const DoctorJson = z.strictObject({
  ready: z.boolean().describe("Whether a backup of every named database could run now"),
  problems: count.describe("What keeps a backup from running"),
  warnings: count.describe("What should be looked at"),
  databases: z.array(
    z.strictObject({
      name: z.string().describe("Name of the database"),
      ready: z.boolean().describe("Whether a backup of it could run now"),
    }),
  ),
  findings: z.array(
    z.strictObject({
      id: z.string().describe("What was looked at; these names stay"),
      subject: z.string().describe("The database it is about, or `machine`"),
      database: subject,
      place: z.string().nullable().describe("The place it is about, where the backups are kept in several"),
      level: z.enum(["ok", "warning", "problem"]).describe("How bad it is"),
      code: z
        .string()
        .nullable()
        .describe("How a backup would fail: one of the codes in [errors](errors.md)"),
      message: z.string().describe("What was found"),
      hint: z.string().nullable().describe("What to do about it"),
      items: z.array(z.string()).describe("The tables, databases or other things it is about"),
    }),
  ),
});

export const DemoJson = z.strictObject({
  steps: z.array(
    z.strictObject({
      title: z.string().describe("What was done"),
      durationMs: z.number().min(0).describe("How long it took, in milliseconds"),
    }),
  ),
  disasters: z
    .array(
      z.strictObject({
        title: z.string().describe("What happened"),
        budgetMs: milliseconds.describe("How long the recovery may take"),
        ms: z.number().min(0).describe("How long it took, in milliseconds"),
      }),
    )
    .describe("The disasters, each recovered by its plan"),
  rows: count.describe("Rows that were compared at the end"),
  tables: count.describe("Tables that were compared at the end"),
});

const scheduleMethod = z.enum(["cron", "systemd", "service"]).describe("What runs it");

const scheduledLine = {
  database: z.string().nullable().describe("Name of the database; null for all"),
  operation: z
    .enum(["backup", "verify", "drill", "prune", "copy", "status"])
    .describe("What is done; `status` looks at everything and tells whoever `notify` names"),
  entry: z.string().nullable().describe("The strategy's entry; null for what a database has one of"),
  schedule: z.string().describe("Cron expression"),
  next: time.nullable().describe("When it is due next"),
};

export const ScheduleInstallJson = z.strictObject({
  method: scheduleMethod,
  place: z.string().describe("Where it is installed"),
  changed: z.boolean().describe("Whether anything had to be changed"),
  lines: z.array(
    z.strictObject({ ...scheduledLine, line: z.string().describe("The line as a crontab has it") }),
  ),
  logFile: z.string().nullable().describe("Where the runs' output is appended; null for the journal"),
  envFile: z.string().nullable().describe("Where the runs get their environment variables from"),
  warnings: z.array(z.string()).describe("What to look at"),
  commands: z.array(z.string()).describe("What is left to type"),
});

export type ScheduleInstallJson = z.infer<typeof ScheduleInstallJson>;

export const ScheduleShowJson = z.strictObject({
  schedules: z.array(
    z.strictObject({
      method: scheduleMethod,
      place: z.string().describe("Where it is installed"),
      installed: z.array(z.string()).describe("Crontab lines or names of unit files that are there"),
      lines: z
        .array(
          z.strictObject({ ...scheduledLine, installed: z.boolean().describe("Whether it is installed so") }),
        )
        .describe("What the strategy wants"),
      upToDate: z.boolean().describe("Whether exactly what the strategy wants is installed"),
    }),
  ),
});

export type ScheduleShowJson = z.infer<typeof ScheduleShowJson>;

export const ScheduleRemoveJson = z.strictObject({
  removed: z.array(
    z.strictObject({
      method: scheduleMethod,
      place: z.string().describe("Where it was looked for"),
      changed: z.boolean().describe("Whether anything was there"),
      commands: z.array(z.string()).describe("What is left to type"),
    }),
  ),
});

export type ScheduleRemoveJson = z.infer<typeof ScheduleRemoveJson>;

export const ConfigCheckJson = z.strictObject({
  path: z.string().describe("The strategy file"),
  timeZone: z.string().describe("The time zone of its schedules"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database"),
      server: z.string().nullable().describe("Where it is; null while a variable is not set"),
      schemas: z.array(z.string()).nullable().describe("The schemas to protect; null for the whole database"),
      criticality: z.enum(["critical", "high", "medium", "low"]).describe("How badly its loss would hurt"),
      rpoMs: milliseconds.describe("Recovery point objective in milliseconds"),
      rtoMs: milliseconds.describe("Recovery time objective in milliseconds"),
      repository: z.string().describe("Name of its repository"),
      location: z.string().nullable().describe("Where that is; null while a variable is not set"),
      repositories: z
        .array(
          z.strictObject({
            name: z.string().describe("Name of the repository"),
            location: z.string().nullable().describe("Where it is; null while a variable is not set"),
          }),
        )
        .describe("All of its repositories, the first first"),
      backups: z.array(
        z.strictObject({
          name: z.string().describe("Name of the entry"),
          kind: z.enum(["archive", "snapshot"]).describe("Kind of backup"),
          format: z
            .enum(["plain", "custom"])
            .nullable()
            .describe("Format of the archive; null for a snapshot"),
          compression: z
            .enum(["gzip", "zstd"])
            .nullable()
            .describe("Compression of the archive; null for a snapshot"),
          schedule: z.string().nullable().describe("Cron expression; null for one taken by hand"),
          keep: z.record(z.string(), z.int()).nullable().describe("Retention rules; null keeps every backup"),
          nextRun: time.nullable().describe("When it is due next"),
        }),
      ),
    }),
  ),
  warnings: z.array(z.string()).describe("What to look at"),
});

export type ConfigCheckJson = z.infer<typeof ConfigCheckJson>;

export const InitJson = z.strictObject({
  strategy: z.string().describe("The strategy file that was written"),
  schema: z.string().describe("The JSON Schema beside it, for editors"),
  environmentFile: z.string().nullable().describe("The file with the secrets, where there are any"),
  variables: z.array(z.string()).describe("Environment variables that the strategy needs"),
  databases: z.array(z.string()).describe("Names of the databases"),
  next: z.array(z.string()).describe("Commands to type next"),
});

export type InitJson = z.infer<typeof InitJson>;
