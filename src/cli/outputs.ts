import type { z } from "zod";
import { MadeTokenJson, TokensJson, UsersJson } from "../api/contract/access.ts";
import { AuditLogJson } from "../json/audit.ts";
import { BackupReportJson, CopyJson, PruneJson } from "../json/backup.ts";
import { HistoryJson } from "../json/history.ts";
import { KeyNewJson, KeyRewrapJson, KeyShowJson } from "../json/keys.ts";
import { DiffJson, ListJson, ShowJson } from "../json/look.ts";
import { StatusJson } from "../json/status.ts";
import { NotifyTestJson } from "../json/notify.ts";
import { FindChangeJson } from "../json/find-change.ts";
import { MissingRowsJson } from "../json/missing-rows.ts";
import {
  ProviderListJson,
  ProviderRestoreJson,
  ProviderShowJson,
  ProviderSweepJson,
} from "../json/provider.ts";
import { ExportJson, RestoreJson, UndoJson, VerifyJson } from "../json/restore.ts";
import { ChecklistDoneJson, ChecklistJson } from "../json/checklist.ts";
import { ServeEventJson } from "../json/serve.ts";
import {
  ConfigCheckJson,
  DemoJson,
  DoctorJson,
  InitJson,
  ScheduleInstallJson,
  ScheduleRemoveJson,
  ScheduleShowJson,
} from "../json/setup.ts";
import { DrillJson, DrillListJson, DrillNoteJson } from "../json/drill.ts";
import { RecoverJson } from "../json/recover.ts";
import { RunbookJson } from "../json/runbook.ts";
import { CheckJson, KitJson, RepairJson, UsageJson } from "../json/repository.ts";

interface OutputSchema {
  /** `schedule install`. */
  readonly command: string;
  readonly about: string;
  readonly schema: z.ZodType;
}

/** The output of every command that prints JSON. */
export const OUTPUTS: readonly OutputSchema[] = [
  {
    command: "backup",
    about:
      "One object, in one line, for each database; one that failed gives an [error](#errors) in its place.",
    schema: BackupReportJson,
  },
  { command: "list", about: "One object.", schema: ListJson },
  { command: "history", about: "One object a database.", schema: HistoryJson },
  { command: "show", about: "One object.", schema: ShowJson },
  {
    command: "show provider:TIME",
    about: "One object: what is known of a managed service's own backup.",
    schema: ProviderShowJson,
  },
  {
    command: "diff",
    about:
      "One object. The exit code is 0 also when they differ; with `--exit-code` it is 4 then, and 3 when no difference was found and not everything could be compared.",
    schema: DiffJson,
  },
  { command: "find-change", about: "One object.", schema: FindChangeJson },
  {
    command: "status",
    about: "One object; the exit code is 4 unless every database is healthy.",
    schema: StatusJson,
  },
  { command: "restore", about: "One object.", schema: RestoreJson },
  {
    command: "recover",
    about: "One object; of a recovery that failed the error, and the same command goes on.",
    schema: RecoverJson,
  },
  {
    command: "drill",
    about: "One object, also of a drill that failed: then the exit code is 4.",
    schema: DrillJson,
  },
  {
    command: "drill list",
    about: "One object, in one line, for each database.",
    schema: DrillListJson,
  },
  { command: "drill note", about: "One object.", schema: DrillNoteJson },
  {
    command: "restore --missing-rows",
    about: "One object.",
    schema: MissingRowsJson,
  },
  { command: "restore --undo", about: "One object.", schema: UndoJson },
  {
    command: "restore --provider",
    about: "One object. Exit code 3 when something of the source's access could not be brought over.",
    schema: ProviderRestoreJson,
  },
  { command: "provider list", about: "One object.", schema: ProviderListJson },
  {
    command: "provider sweep",
    about: "One object. Exit code 3 when something could not be removed.",
    schema: ProviderSweepJson,
  },
  {
    command: "verify",
    about:
      "One object, in one line, for each database; one that could not be checked gives an [error](#errors) in its place. The exit code is 13 when a backup is damaged, 4 when it is not proven.",
    schema: VerifyJson,
  },
  {
    command: "doctor",
    about: "One object; the exit code is 0 only when `ready` is true.",
    schema: DoctorJson,
  },
  {
    command: "notify test",
    about: "One object; the exit code is 1 when nothing arrived, 3 when some of it did not.",
    schema: NotifyTestJson,
  },
  { command: "prune", about: "One object.", schema: PruneJson },
  {
    command: "copy",
    about:
      "One object, in one line, for each database; one that failed gives an [error](#errors) in its place. The exit code is 3 while a place lacks something.",
    schema: CopyJson,
  },
  { command: "export", about: "One object.", schema: ExportJson },
  {
    command: "kit",
    about:
      "One object; the page itself goes to `--file`. The exit code is 3 when a repository could not be read.",
    schema: KitJson,
  },
  { command: "runbook", about: "One object.", schema: RunbookJson },
  {
    command: "repository check",
    about:
      "One object. The exit code is 13 when a backup is damaged, 4 when anything else is not as it should be.",
    schema: CheckJson,
  },
  {
    command: "repository repair",
    about: "One object. The exit code is 3 when something had to be left.",
    schema: RepairJson,
  },
  { command: "repository usage", about: "One object.", schema: UsageJson },
  { command: "key new", about: "One object. It holds the identity: keep it.", schema: KeyNewJson },
  ...["list", "add", "role", "password", "remove", "restore"].map((name) => ({
    command: `user ${name}`,
    about: "One object.",
    schema: UsersJson,
  })),
  { command: "user token make", about: "One object. It holds the secret, once.", schema: MadeTokenJson },
  ...["list", "revoke"].map((name) => ({
    command: `user token ${name}`,
    about: "One object.",
    schema: TokensJson,
  })),
  { command: "audit", about: "One object.", schema: AuditLogJson },
  { command: "key show", about: "One object.", schema: KeyShowJson },
  {
    command: "key rewrap",
    about: "One object; the exit code is 3 when an archive was too large to be sealed anew.",
    schema: KeyRewrapJson,
  },
  {
    command: "checklist",
    about: "One object. Exit code 4 when a duty is overdue or a place could not be read.",
    schema: ChecklistJson,
  },
  { command: "checklist done", about: "One object.", schema: ChecklistDoneJson },
  { command: "serve", about: "One object for each thing that happens.", schema: ServeEventJson },
  { command: "schedule install", about: "One object.", schema: ScheduleInstallJson },
  { command: "schedule show", about: "One object.", schema: ScheduleShowJson },
  { command: "schedule remove", about: "One object.", schema: ScheduleRemoveJson },
  {
    command: "config check",
    about: "One object; an invalid strategy gives an [error](#errors).",
    schema: ConfigCheckJson,
  },
  { command: "init", about: "One object.", schema: InitJson },
  { command: "demo", about: "One object.", schema: DemoJson },
];
