import { dirname, join } from "node:path";
import { AppError } from "../errors.ts";
import { journalPath } from "../recovery/journal.ts";
import type { Plan } from "../recovery/plan.ts";
import { planDataDeleted } from "../recovery/scenarios/data-deleted.ts";
import type { Cli } from "./cli.ts";
import { originOf } from "./journal-origin.ts";
import type { PlanRequest } from "./plans.ts";
import { missingPreviewText } from "./render/missing-rows.ts";
import { subjectOf } from "./subject-of.ts";

/** The plan for rows that were deleted, from what a user said of them. */
export async function planOfDataDeleted(cli: Cli, { target, options, ground }: PlanRequest): Promise<Plan> {
  const { table: tables = [], where = null, backup, at, to } = options;
  const subject = subjectOf(target, options.jobs);
  const { database } = subject;
  if (to !== undefined)
    throw new AppError("usage", `recover ${database}: \`--to\` is not for data-deleted`, {
      hint: "rows go back into the live database, which the strategy or `--url` names",
    });
  if (backup !== undefined && at !== undefined)
    throw new AppError("usage", `recover ${database}: both \`--backup\` and \`--at\` are given`, {
      hint: "name the backup, or the moment; not both",
    });
  if (tables.length === 0)
    throw new AppError("usage", `recover ${database}: nothing says which table lost rows`, {
      hint: "add `--table schema.table`, once for each",
    });
  const journal = journalPath(cli.runtime, originOf(target), {
    scenario: "data-deleted",
    databases: [database],
  });
  return planDataDeleted(cli.runtime, {
    subject,
    live: await ground.live(subject),
    application: ground.application(subject),
    deleted: { tables, where, from: backup ?? at },
    undo: join(dirname(journal), `undo-${encodeURIComponent(database)}`),
    describe: (preview) => missingPreviewText(preview, subject.timeZone),
    isDrill: ground.isDrill,
  });
}
