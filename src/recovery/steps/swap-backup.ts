import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { undoSwap } from "../../operations/restore/undo.ts";
import { connectBeside } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { listMarked } from "../../postgres/marker.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import { describeTarget, type Subject } from "../subject.ts";
import { requireAsserted } from "./assertions.ts";
import { restoreFromPlaces } from "./stored-backup.ts";

export interface SwapStepRequest {
  readonly subject: Subject;
  /** The database that is replaced. */
  readonly live: ConnectionSettings;
  readonly isDrill: boolean;
  readonly budgetMs: number;
}

/** Puts the chosen backup in place of the live database, which is kept under another name. */
export function swapBackupStep(
  runtime: Runtime,
  { subject, live, isDrill, budgetMs }: SwapStepRequest,
): Step {
  const { database, timeZone, keepReplacedMs } = subject;
  return {
    id: "swap",
    title: `Put the backup in place of ${describeTarget(live)}`,
    runs: `handled restore ${database} BACKUP --swap`,
    checkedBy:
      "the rows of every table are counted and compared with the backup, and the strategy's `assertions` asked, before the names are exchanged",
    budgetMs,
    ifItFails: "the database is as it was: mend what the error says, and go on",
    confirm: isDrill ? null : { what: `replace ${describeTarget(live)}`, name: database },
    run: async (outputs, signal): Promise<Outputs> => {
      const before =
        (await findSwapped(runtime, live, outputs, signal)) ??
        (await swap(runtime, { subject, live, isDrill }, outputs, signal));
      runtime.reporter.note(
        `what was there before is kept as ${before}; \`handled restore ${database} --undo\` puts it back`,
      );
      return { before };
    },
    check: async (outputs, signal) => {
      if ((await findSwapped(runtime, live, outputs, signal)) !== undefined) return;
      throw new AppError(
        "swap_refused",
        `swap ${describeTarget(live)}: it is not what this recovery has put there`,
      );
    },
    back: async (outputs, signal) => {
      if ((await findSwapped(runtime, live, outputs, signal)) === undefined) return true;
      const { preview, undone } = await undoSwap(
        runtime,
        {
          connection: live,
          application: null,
          timeZone,
          keepReplacedMs,
          dryRun: false,
          confirm: async () => {},
        },
        signal,
      );
      runtime.reporter.note(
        `${preview.before} is ${preview.database} again; what was there meanwhile is kept as ${undone}`,
      );
      return true;
    },
  };
}

/** Under which name is kept what a swap since the beginning of this recovery has replaced; undefined where there was none. */
async function findSwapped(
  runtime: Runtime,
  live: ConnectionSettings,
  outputs: Outputs,
  signal: AbortSignal,
): Promise<string | undefined> {
  const since = Date.parse(output(outputs, "since"));
  await using admin = await connectBeside(runtime, live, [live.database], signal);
  return (await listMarked(admin)).find(
    ({ marker }) =>
      marker.purpose === "replaced" &&
      marker.name === live.database &&
      !marker.undone &&
      Date.parse(marker.at) >= since,
  )?.database;
}

async function swap(
  runtime: Runtime,
  { subject, live, isDrill }: Pick<SwapStepRequest, "subject" | "live" | "isDrill">,
  outputs: Outputs,
  signal: AbortSignal,
): Promise<string> {
  const done = await restoreFromPlaces(
    runtime,
    subject,
    {
      which: output(outputs, "backup"),
      connection: live,
      target: { kind: "swap", application: null },
      selection: { schemas: [], tables: [] },
      // What a drill replaces is nobody's database.
      isRecorded: !isDrill,
      alsoCheck: async (copy) => await requireAsserted(runtime, subject, copy, signal),
    },
    signal,
  );
  if (done.swap === null) throw new AppError("unexpected", `swap ${subject.database}: nothing was done`);
  return done.swap.before;
}
