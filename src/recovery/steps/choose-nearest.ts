import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import { splitByProof } from "../../operations/damage-found.ts";
import { listPlaces } from "../../operations/list-places.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import { covers } from "../../repository/scope.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import type { Subject } from "../subject.ts";
import { chooseBackup } from "./choose-backup.ts";
import { named } from "./of-database.ts";

/** Chooses for each database the good backup that is nearest to a moment, and tells how far apart they are. */
export function chooseNearestStep(
  runtime: Runtime,
  {
    subjects,
    at,
    budgetMs,
  }: { readonly subjects: readonly Subject[]; readonly at: Date; readonly budgetMs: number },
): Step {
  return {
    id: "choose",
    title: `Choose the backups nearest to ${at.toISOString()}`,
    runs: subjects.map(({ database }) => `handled list ${database}`).join("; "),
    checkedBy: "the index of each can be read in one of the places",
    budgetMs,
    ifItFails: "see what there is with `handled list`",
    confirm: null,
    run: async (_outputs, signal): Promise<Outputs> => {
      const made: Outputs[] = [];
      const moments: Moment[] = [];
      for (const subject of subjects) {
        const { database } = subject;
        const { id, kind, snapshotAt } = await nearest(runtime, subject, at, signal);
        const moment = new Date(snapshotAt);
        runtime.reporter.note(`${database}: ${kind} ${id} of ${snapshotAt}, ${fromTo(at, moment)}`);
        made.push(named(database, { backup: id, snapshotAt }));
        moments.push({ database, at: moment });
      }
      runtime.reporter.note(describeSkew(moments));
      return { ...Object.assign({}, ...made), skewMs: skewOf(moments) } as Outputs;
    },
    check: async (outputs, signal) => {
      for (const subject of subjects)
        await chooseBackup(runtime, subject, output(outputs, `${subject.database}.backup`), signal);
    },
  };
}

/** The data of one database is as of this moment. */
export interface Moment {
  readonly database: string;
  readonly at: Date;
}

/** How far apart the moments are, in milliseconds. */
export function skewOf(moments: readonly Moment[]): number {
  const times = moments.map(({ at }) => at.getTime());
  return Math.max(...times) - Math.min(...times);
}

/** The same in words. */
export function describeSkew(moments: readonly Moment[]): string {
  const [first] = moments.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const [last] = moments.toSorted((a, b) => b.at.getTime() - a.at.getTime());
  const skew = skewOf(moments);
  return first === undefined || last === undefined || skew === 0
    ? "their data is of the same moment"
    : `their data is ${formatDuration(skew)} apart: ${first.database} is the oldest, ${last.database} the newest`;
}

function fromTo(wanted: Date, found: Date): string {
  const ms = found.getTime() - wanted.getTime();
  if (ms === 0) return "at that moment";
  return `${formatDuration(Math.abs(ms))} ${ms < 0 ? "before" : "after"} that`;
}

async function nearest(
  runtime: Runtime,
  { database, places, schemas, timeZone }: Subject,
  at: Date,
  signal: AbortSignal,
): Promise<BackupIndex> {
  const { backups, proofs } = await listPlaces(runtime, places, database, timeZone, signal);
  const complete = splitByProof(backups, proofs).good.filter(
    (index) => schemas === undefined || covers(index.schemas, schemas),
  );
  const distance = ({ snapshotAt }: BackupIndex): number => Math.abs(Date.parse(snapshotAt) - at.getTime());
  // Of two as near the older one: what came later may be what is to be got rid of.
  const [best] = complete.toReversed().toSorted((a, b) => distance(a) - distance(b));
  if (best !== undefined) return best;
  throw new AppError("backup_missing", `recover ${database}: it has no backup that can be relied on`, {
    hint: `\`handled list ${database}\` shows what is there`,
  });
}
