import { randomBytes } from "node:crypto";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import { rebuildDatabase, rebuiltBy, requireSources } from "../../operations/rebuild.ts";
import { compareRows } from "../../operations/restore/compare-rows.ts";
import { findSource } from "../../operations/restore/source.ts";
import { connectBeside } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Session } from "../../postgres/session.ts";
import { type Confirmation, output, type Step } from "../plan.ts";
import { describeTarget, type Subject } from "../subject.ts";

export interface RebuildStepsRequest {
  readonly subject: Subject;
  /** The database that it becomes: not there yet, or empty. */
  readonly target: ConnectionSettings;
  readonly budgetsMs: { readonly sources: number; readonly rebuild: number };
  readonly confirm: Confirmation | null;
}

/** Sees that the sources are there, and makes the database from them. Fails with `usage` where nothing says how. */
export function rebuildSteps(runtime: Runtime, request: RebuildStepsRequest): readonly [Step, Step] {
  const { database, rebuild } = request.subject;
  if (rebuild === undefined)
    throw new AppError("usage", `rebuild ${database}: the strategy does not say how`, {
      hint: "its key `rebuild:` names sources and commands; `--from backup` restores a backup",
    });
  const how = { database, rebuild };
  return [sourcesStep(runtime, request, how), rebuildStep(runtime, request, how)];
}

type How = Parameters<typeof requireSources>[1];

function sourcesStep(runtime: Runtime, { target, budgetsMs }: RebuildStepsRequest, how: How): Step {
  return {
    id: "sources",
    title: `See that the sources of ${how.database} are there`,
    runs: how.rebuild.sources.map(({ source }) => source).join(", "),
    checkedBy: "each is there and can be read",
    budgetMs: budgetsMs.sources,
    ifItFails: "bring them back, or begin anew with `--from backup --restart`",
    confirm: null,
    run: async (outputs, signal) => {
      const found = await requireSources(runtime, how, signal);
      const bytes = found.reduce((sum, one) => sum + one.bytes, 0);
      runtime.reporter.note(`${counted(found.length, "source")}, ${formatBytes(bytes)}`);
      // By this what the next step makes is known from anything else, after a crash too.
      return { sourceBytes: bytes, rebuild: outputs["rebuild"] ?? randomBytes(8).toString("hex") };
    },
    check: async (outputs, signal) => {
      // Once it is made they may be gone.
      if (!(await isMade(runtime, target, output(outputs, "rebuild"), signal)))
        await requireSources(runtime, how, signal);
    },
  };
}

async function isMade(
  runtime: Runtime,
  target: ConnectionSettings,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  await using admin = await connectBeside(runtime, target, [target.database], signal);
  return (await rebuiltBy(admin, target.database)) === id;
}

function rebuildStep(
  runtime: Runtime,
  { subject, target, budgetsMs, confirm }: RebuildStepsRequest,
  how: How,
): Step {
  const { database, places } = subject;
  return {
    id: "rebuild",
    title: `Rebuild ${database} into ${describeTarget(target)}`,
    runs: how.rebuild.commands.map(({ run }) => runtime.secrets.redact(run)).join("; "),
    checkedBy:
      "all commands end with exit code 0, and there are rows; differences to the newest backup are told",
    budgetMs: budgetsMs.rebuild,
    ifItFails:
      "nothing is there under the database's name: mend what the error says and go on, or begin anew with `--from backup --restart`",
    confirm,
    run: async (outputs, signal) => {
      const id = output(outputs, "rebuild");
      if (await isMade(runtime, target, id, signal)) {
        runtime.reporter.note(`${describeTarget(target)} was made already`);
        return {};
      }
      const compare = async (session: Session, stop: AbortSignal): Promise<readonly string[]> =>
        await differencesToBackup(runtime, subject, session, stop);
      const request = { ...how, connection: target, places, id, compare };
      const { tables, rows, differences } = await rebuildDatabase(runtime, request, signal);
      return { tables, rows, differences: differences.length };
    },
    check: async (outputs, signal) => {
      if (await isMade(runtime, target, output(outputs, "rebuild"), signal)) return;
      throw new AppError("unexpected", `${describeTarget(target)} is not what was rebuilt`, {
        hint: "somebody replaced it or took its comment away; look at it, and begin anew with `--restart`",
      });
    },
  };
}

/** In what it differs from the newest backup, as sentences. That there is none to compare with stands in nobody's way. */
async function differencesToBackup(
  runtime: Runtime,
  { database, places }: Subject,
  session: Session,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const reading = { places, database, which: "latest", operation: "restore" } as const;
  try {
    const { manifest, label } = await readingFromPlaces(
      runtime,
      reading,
      async (chosen) => await findSource(runtime, { ...chosen, database, operation: "restore" }, signal),
      signal,
    );
    if (manifest === null) return [];
    const { tables, rows } = await compareRows(runtime, session, manifest.tables);
    runtime.reporter.note(
      `as many rows as in the backup ${label}: ${counted(rows, "row")} in ${counted(tables, "table")}`,
    );
    return [];
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error, "rows_differ")) return (error.details["problems"] ?? []) as readonly string[];
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(`it is not compared with a backup: ${messageOf(error)}`);
    return [];
  }
}
