import { dirname, join } from "node:path";
import { AppError } from "../errors.ts";
import { journalPath } from "../recovery/journal.ts";
import { suffixedName } from "../operations/restore/names.ts";
import type { Plan } from "../recovery/plan.ts";
import { planDataDeleted } from "../recovery/scenarios/data-deleted.ts";
import type { Cli } from "./cli.ts";
import type { ManagedSource } from "../recovery/managed.ts";
import { originOf } from "./journal-origin.ts";
import { managedOf } from "./managed-of.ts";
import type { PlanOptions, PlanRequest } from "./plans.ts";
import { missingPreviewText } from "./render/missing-rows.ts";
import { subjectOf } from "./subject-of.ts";

/** The plan for rows that were deleted, from what a user said of them. */
export async function planOfDataDeleted(cli: Cli, { target, options, ground }: PlanRequest): Promise<Plan> {
  const { table: tables = [], where = null, backup, at } = options;
  const whole = options.whole === true;
  const subject = subjectOf(target, options);
  const { database } = subject;
  requireSensible(database, options);
  if (tables.length === 0 && !whole)
    throw new AppError("usage", `recover ${database}: nothing says which table lost rows`, {
      hint: "add `--table schema.table`, once for each; or `--whole`, and all of the database is replaced",
    });
  const journal = journalPath(cli.runtime, originOf(target), {
    scenario: "data-deleted",
    databases: [database],
  });
  // Without a moment the backups tell in which of them the rows are: that one has them, and is there already.
  const asksService = options.from === "provider" || (options.from === undefined && at !== undefined);
  const managed = asksService && !whole ? await managedOf(cli, target, options.from === "provider") : null;
  const live = await ground.live(subject);
  return planDataDeleted(cli.runtime, {
    subject,
    live,
    whole,
    beside: options.newDatabase ?? suffixedName(live.database, "_recovered"),
    application: ground.application(subject),
    deleted: { tables, where, from: backup ?? at },
    undo: join(dirname(journal), `undo-${encodeURIComponent(database)}`),
    describe: (preview) => missingPreviewText(preview, subject.timeZone),
    service: managed === null ? null : { managed, from: serviceFrom(options) },
    isDrill: ground.isDrill,
  });
}

const serviceFrom = ({ from }: PlanOptions): ManagedSource => (from === "rebuild" ? undefined : from);

function requireSensible(
  database: string,
  { to, backup, at, whole, table, where, newDatabase, from }: PlanOptions,
): void {
  const refuse = (what: string, hint: string): never => {
    throw new AppError("usage", `recover ${database}: ${what}`, { hint });
  };
  if (from === "provider" && (backup !== undefined || whole === true))
    refuse(
      "`--from provider` leaves no use for `--backup` and `--whole`",
      "the service has single rows as of a moment, `--at`; all of a database in a new cluster makes `handled restore --provider`",
    );
  if (to !== undefined)
    refuse(
      "`--to` is not for data-deleted",
      "rows go back into the live database, which the strategy or `--url` names",
    );
  if (backup !== undefined && at !== undefined)
    refuse("both `--backup` and `--at` are given", "name the backup, or the moment; not both");
  if (whole === true && where !== undefined)
    refuse(
      "`--where` is not for whole tables",
      "leave `--whole` out, and the missing rows for which it holds are inserted",
    );
  if (newDatabase !== undefined && (whole !== true || table === undefined))
    refuse("`--new-database` is for whole tables", "add `--whole` and `--table`");
  if (whole === true && table === undefined && backup === undefined && at === undefined)
    refuse(
      "nothing says which backup is to replace it",
      "name it with `--backup`, or with `--at` a moment at which all was still there; `handled find-change` tells when rows went away",
    );
}
