import { randomInt } from "node:crypto";
import { AppError, isAppError } from "../../errors.ts";
import type { ServerFacts } from "../../postgres/server.ts";
import { quoteName, type Session } from "../../postgres/session.ts";
import { readTables } from "../../repository/backups.ts";
import type { BackupIndex, SnapshotBaseline, SnapshotIndex } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Baseline } from "./earlier-ranges.ts";
import { hasMarker, type HistoryMarker, writeMarker } from "./history-marker.ts";
import { TEXT_SETTINGS_LINE } from "./session-settings.ts";
import { ageProblem } from "./tuple-identity.ts";

/** What has to be the same, or later, for rows of two snapshots to be comparable by their tuples. */
export interface SnapshotState {
  readonly server: ServerFacts;
  /** Bounds of the snapshot, 64 bits. */
  readonly xmin: string;
  readonly xmax: string;
  /** The role that reads. */
  readonly role: string;
}

/** What this snapshot may reuse, and how it continues. */
export interface Chain {
  readonly baseline: Baseline | null;
  /** The snapshot that this is; null where there is none. */
  readonly builtOn: SnapshotIndex | null;
  /** Why there is none, in words. */
  readonly fullRead: string | null;
  readonly generation: number;
  readonly secret: number;
}

const SECRETS = 2 ** 31;

/** Reads bounds and role inside the transaction that holds the snapshot. */
export async function readSnapshotState(session: Session, server: ServerFacts): Promise<SnapshotState> {
  const [row] = await session.query<{ xmin: string; xmax: string; role: string }>(
    `select pg_catalog.pg_snapshot_xmin(s)::text as xmin, pg_catalog.pg_snapshot_xmax(s)::text as xmax,
            current_user::text as role
       from pg_catalog.pg_current_snapshot() s`,
  );
  if (row === undefined) throw new AppError("unexpected", "read the bounds of the snapshot: no row");
  return { server, ...row };
}

/**
 * Looks for an earlier snapshot whose ranges may be reused: the newest of the same schemas, if its history leads here
 * (guard G1) and it was read in the same way (G5, G7). The session holds the snapshot that is being taken.
 * @param backups the backups that are there, newest first
 */
export async function findBaseline(
  repository: Repository,
  session: Session,
  state: SnapshotState,
  backups: readonly BackupIndex[],
  schemas: readonly string[] | null,
  signal: AbortSignal,
): Promise<Chain> {
  const same = JSON.stringify(schemas);
  const index = backups.find(
    (backup) => backup.kind === "snapshot" && JSON.stringify(backup.schemas) === same,
  );
  if (index?.kind !== "snapshot") return newChain("there is no snapshot before it");
  const { baseline } = index.snapshot;
  if (baseline === null) return newChain(`nothing of ${index.id} may be reused`);
  const reason = await reasonNotToBuildOn(session, state, index, baseline);
  if (reason !== undefined) return newChain(`${index.id} cannot be built on: ${reason}`);
  try {
    const lines = await readTables(repository, index, signal);
    return {
      baseline: {
        xmin: baseline.xmin,
        tables: new Map(lines.map((line) => [quoteName(line.schema, line.name), line])),
      },
      builtOn: index,
      fullRead: null,
      generation: baseline.generation + 1,
      secret: baseline.secret,
    };
  } catch (error) {
    if (!isAppError(error, "backup_damaged") && !isAppError(error, "repository_version")) throw error;
    return newChain(error.message);
  }
}

/** A chain that begins here. */
export function newChain(fullRead: string): Chain {
  return { baseline: null, builtOn: null, fullRead, generation: 1, secret: randomInt(SECRETS) };
}

async function reasonNotToBuildOn(
  session: Session,
  { server, xmin, xmax, role }: SnapshotState,
  index: SnapshotIndex,
  baseline: SnapshotBaseline,
): Promise<string | undefined> {
  const then = index.server;
  const differ = <T>(a: T | null, b: T | null): boolean => a !== null && b !== null && a !== b;
  if (differ(then.systemIdentifier, server.systemIdentifier)) return "it is of another server";
  if (then.versionNumber !== server.versionNumber) return `it is of PostgreSQL ${then.version}`;
  if (then.timeline !== null && server.timeline !== null && server.timeline < then.timeline)
    return "the server went back to an earlier timeline";
  if (baseline.role !== role) return `it was read by ${baseline.role}`;
  if (baseline.settings !== TEXT_SETTINGS_LINE) return "it was read with other settings";
  // The marker came after that snapshot. Only when it had ended before this one do we know that this one is the later.
  const marked = baseline.marker.xids.every((xid) => BigInt(xid) < BigInt(xmax));
  if (BigInt(xmin) < BigInt(baseline.xmin) || !marked) return "the server's transaction ids went back";
  const problem = ageProblem(baseline.xmin, xmax);
  if (problem !== undefined) return problem;
  if (!(await hasMarker(session, baseline.marker)))
    return "the server's history is not the one it was taken in";
  return undefined;
}

/**
 * What the next snapshot may build on: leaves a marker in the server's history, after the snapshot was taken, and looks
 * for it from the session that holds the snapshot, which also finds a proxy that sent it elsewhere. In words why not.
 * @param other a session of the same role, not in a transaction
 */
export async function makeBaseline(
  session: Session,
  other: Session,
  { xmin, xmax, role }: SnapshotState,
  { generation, secret }: Chain,
): Promise<SnapshotBaseline | string> {
  const marker: HistoryMarker | string = await writeMarker(other);
  if (typeof marker === "string") return marker;
  if (!(await hasMarker(session, marker))) return "the marker is not where the snapshot is";
  return { generation, xmin, xmax, marker, secret, role, settings: TEXT_SETTINGS_LINE };
}
