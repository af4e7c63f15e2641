import { hostname } from "node:os";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import { openRepository, readRepositoryFile, whatIsKnownOf } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import { listGoodBackups } from "./damage-found.ts";

export interface KitRequest {
  readonly database: string;
  readonly storage: Storage;
}

/** What a repository says of one database, for somebody who has nothing but the repository. */
export interface KitDatabase {
  readonly database: string;
  /** A folder or a URL. */
  readonly place: string;
  /**
   * Public keys that its objects are sealed to; none where they are not encrypted. Where the repository cannot be asked,
   * those that the strategy names.
   */
  readonly recipients: readonly string[];
  /** The newest backup that can be relied on; null where there is none. */
  readonly newest: BackupIndex | null;
  /** The newest good one of each kind, which is what has to be read without this program. */
  readonly ofKinds: readonly BackupIndex[];
  /** The newest proof of a backup that is still there and good, and that backup. */
  readonly proof: { readonly proof: ProofFile; readonly index: BackupIndex } | null;
  readonly backups: number;
  /** Why nothing of this is known; null where it is. */
  readonly fault: AppError | null;
}

export interface KitFacts {
  readonly printedAt: Date;
  /** The machine that wrote this; where its folders are. */
  readonly host: string;
  readonly databases: readonly KitDatabase[];
}

/** Asks each repository. One that cannot be read keeps nothing else from being told. Changes nothing. */
export async function gatherKit(
  runtime: Runtime,
  requests: readonly KitRequest[],
  signal: AbortSignal,
): Promise<KitFacts> {
  const databases: KitDatabase[] = [];
  for (const request of requests) databases.push(await gather(runtime, request, signal));
  return { printedAt: runtime.clock.now(), host: hostname(), databases };
}

async function gather(
  runtime: Runtime,
  { database, storage }: KitRequest,
  signal: AbortSignal,
): Promise<KitDatabase> {
  const nothing = {
    database,
    place: storage.place,
    newest: null,
    ofKinds: [],
    proof: null,
    backups: 0,
  };
  let recipients = runtime.keys.wantedFor(storage.place)?.recipients ?? [];
  try {
    // To whom it is sealed is told also to a machine that has no key to it.
    const file = await readRepositoryFile(storage, signal);
    if (file !== undefined) recipients = file.sealing?.recipients ?? [];
    const repository = await openRepository(runtime, storage, signal);
    const known = await whatIsKnownOf(repository, database, signal);
    if (!known.there) runtime.reporter.warn(known.note);
    const { backups } = await listGoodBackups(runtime, repository, database, signal);
    const ids = backups.map(({ id }) => id);
    const proofs = await newestProofs(runtime, repository, database, ids, signal);
    const proven = backups
      .flatMap((index) => {
        const proof = proofs.get(index.id);
        return proof?.outcome === "proven" ? [{ proof, index }] : [];
      })
      .toSorted((a, b) => Date.parse(b.proof.finishedAt) - Date.parse(a.proof.finishedAt));
    return {
      database,
      place: repository.place,
      recipients,
      newest: backups[0] ?? null,
      ofKinds: [...Map.groupBy(backups, kindOf).values()].flatMap(([newest]) => newest ?? []),
      proof: proven[0] ?? null,
      backups: backups.length,
      fault: null,
    };
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted" || signal.aborted) throw error;
    return { ...nothing, recipients, fault: error };
  }
}

/** What is read the same way without this program. */
function kindOf(index: BackupIndex): string {
  return index.kind === "snapshot" ? index.kind : `${index.archive.format} ${index.archive.compression}`;
}
