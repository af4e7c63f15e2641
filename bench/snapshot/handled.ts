import type { Place } from "./place.ts";
import { type Env, run, type Run } from "./run.ts";

/** What the database and its backups are called. */
export const DATABASE = "shop";

/** What a run has other than all runs. */
interface Different {
  readonly program?: string;
  readonly env?: Env;
}

export interface Snapshot extends Run {
  readonly rows: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly parts: { readonly read: number; readonly reused: number };
}

/** Takes a snapshot of the database with the built program, or another. */
export async function takeSnapshot(
  place: Place,
  repository: string,
  signal: AbortSignal,
  more: { readonly database?: string } & Different = {},
): Promise<Snapshot> {
  const database = more.database ?? DATABASE;
  const args = [
    "backup",
    "--kind",
    "snapshot",
    "--url",
    place.cluster.url(database),
    "--repository",
    repository,
  ];
  const done = await handled(place, args, signal, more);
  const { rows, bytes, storedBytes, parts } = JSON.parse(done.stdout) as Snapshot;
  return { ...done, rows, bytes, storedBytes, parts };
}

/** Restores the newest snapshot into a new database. */
export async function restoreSnapshot(
  place: Place,
  repository: string,
  into: string,
  signal: AbortSignal,
  more: { readonly database?: string; readonly table?: string } & Different = {},
): Promise<Run> {
  const database = more.database ?? DATABASE;
  const url = place.cluster.url(database);
  const args = ["restore", database, "latest", "--url", url, "--repository", repository];
  args.push("--new-database", into, "--yes");
  if (more.table !== undefined) args.push("--table", more.table);
  return await handled(place, args, signal, more);
}

/** Looks at all that a repository has of one database, and compares what is there with what backups name. */
export async function checkRepository(
  place: Place,
  repository: string,
  database: string,
  signal: AbortSignal,
): Promise<Run> {
  return await handled(place, ["repository", "check", database, "--repository", repository], signal);
}

/** What a verification took, apart from the server it made: bringing the rows back, and comparing them. */
export interface Verified extends Run {
  readonly restoreSeconds: number;
  readonly compareSeconds: number;
}

interface Proof {
  readonly proven: string | null;
  readonly durations: { readonly restoreMs: number | null; readonly compareMs: number | null };
}

/** Proves the newest snapshot, contents and all, on a server that the program makes and throws away. */
export async function verifySnapshot(
  place: Place,
  repository: string,
  signal: AbortSignal,
): Promise<Verified> {
  const args = ["verify", DATABASE, "latest", "--repository", repository, "--level", "content"];
  const done = await handled(place, args, signal);
  const { proven, durations } = JSON.parse(done.stdout) as Proof;
  const { restoreMs, compareMs } = durations;
  if (proven !== "content" || restoreMs === null || compareMs === null)
    throw new Error(`verify proved ${proven ?? "nothing"}`);
  return { ...done, restoreSeconds: restoreMs / 1000, compareSeconds: compareMs / 1000 };
}

/** Runs the built program for its JSON. */
async function handled(
  place: Place,
  args: readonly string[],
  signal: AbortSignal,
  { program = place.program, env = {} }: Different = {},
): Promise<Run> {
  return await run(process.execPath, [program, ...args, "--json"], { ...place.env, ...env }, signal);
}
