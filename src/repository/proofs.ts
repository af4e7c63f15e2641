import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { partsOfProofKey, proofKey, proofsFolder } from "./layout.ts";
import type { BackupId } from "./manifest.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";
import { NEWEST_PROOF_FORMAT, ProofFile, saysNothingOfBackup } from "./proof-file.ts";
import { isFinal, proofThatCounts } from "./proof-that-counts.ts";
import type { Repository } from "./repository.ts";

// So many texts are held at once.
const READ_TOGETHER = 1024;
// Two checks of one backup in the same millisecond, or a writer that takes our temporary file for one that a crash left.
const TRIES = 5;

/**
 * Records a proof under a name of its own; returns its key. Needs no lease: nothing is replaced, and nothing else depends
 * on it. Errors: those of the storage.
 */
export async function writeProof(
  { storage }: Repository,
  proof: ProofFile,
  signal: AbortSignal,
): Promise<string> {
  const data = encodeJson(requireSound(ProofFile, proof, `the proof of ${proof.backup}`));
  let last = new AppError("object_exists", `record the proof of ${proof.backup}: its names are taken`);
  for (let tries = 0; tries < TRIES; tries++) {
    const key = proofKey(proof.database, new Date(Date.parse(proof.finishedAt) + tries), proof.backup);
    try {
      if (await storage.putIfAbsent(key, data, signal)) return key;
    } catch (error) {
      if (!isAppError(error, "repository_unusable")) throw error;
      last = error;
    }
  }
  throw last;
}

/**
 * Of each of these backups that has proofs the one that counts: `proofThatCounts`. The folder is listed once, and older ones are
 * read only where they may matter; one that cannot be read is told and passed over, for it must not hide the backups.
 */
export async function newestProofs(
  runtime: Runtime,
  repository: Repository,
  database: string,
  ids: Iterable<BackupId>,
  signal: AbortSignal,
): Promise<Map<BackupId, ProofFile>> {
  const wanted = new Set<string>(ids);
  // Newest first.
  const keys = new Map<string, { readonly at: string; readonly key: string }[]>();
  for (const key of await repository.storage.keys(proofsFolder(database), "here", signal)) {
    const parts = partsOfProofKey(key);
    if (parts === undefined || !wanted.has(parts.id)) continue;
    keys.set(parts.id, [...(keys.get(parts.id) ?? []), { at: parts.at, key }]);
  }
  for (const all of keys.values()) all.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
  const newestKeys = [...keys.values()].flatMap(([newest]) => newest?.key ?? []);
  const newest = await readProofs(runtime, repository, newestKeys, signal);
  const olderKeys = newest
    .filter((proof) => !isFinal(proof))
    .flatMap(({ backup }) => keys.get(backup)?.slice(1) ?? [])
    .map(({ key }) => key);
  const older = Map.groupBy(await readProofs(runtime, repository, olderKeys, signal), ({ backup }) => backup);
  return new Map(
    newest.map((proof) => [proof.backup, proofThatCounts(proof, older.get(proof.backup) ?? [])]),
  );
}

/** Those that can be read, in the order of their keys. */
async function readProofs(
  runtime: Runtime,
  { storage }: Repository,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<ProofFile[]> {
  const proofs: ProofFile[] = [];
  for (let at = 0; at < keys.length; at += READ_TOGETHER) {
    const some = keys.slice(at, at + READ_TOGETHER);
    const found = await storage.getMany(some, signal);
    for (const [n, key] of some.entries()) {
      const proof = tryParse(runtime, key, found[n]);
      if (proof !== undefined) proofs.push(proof);
    }
  }
  return proofs;
}

// What else is recorded as a proof is damage that was met: rarely more than a few in a row.
const LOOKED_AT = 64;
const BATCH = 16;

/**
 * The newest proof that a backup of the database came back and was compared, whether that backup is still there or not;
 * undefined where there is none among the last. What cannot be read is passed over.
 */
export async function newestRestored(
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<ProofFile | undefined> {
  const keys = (await storage.keys(proofsFolder(database), "here", signal))
    .filter((key) => partsOfProofKey(key) !== undefined)
    // Their names begin with the time.
    .toSorted()
    .slice(-LOOKED_AT)
    .toReversed();
  for (let at = 0; at < keys.length; at += BATCH) {
    const some = keys.slice(at, at + BATCH);
    const found = await storage.getMany(some, signal);
    for (const [n, key] of some.entries()) {
      const proof = parseQuietly(key, found[n]);
      if (proof !== undefined && isRestored(proof)) return proof;
    }
  }
  return undefined;
}

/** Whether it shows that the backup can be restored, and not only that its bytes are there. */
export function isRestored(proof: ProofFile): boolean {
  const { outcome, proven } = proof;
  return saysNothingOfBackup(proof) || (outcome === "proven" && proven !== null && proven !== "integrity");
}

function parseQuietly(key: string, data: Buffer | AppError | undefined): ProofFile | undefined {
  if (data === undefined || data instanceof AppError) return undefined;
  try {
    return parseVersioned(ProofFile, data, key, NEWEST_PROOF_FORMAT);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return undefined;
  }
}

function tryParse(runtime: Runtime, key: string, data: Buffer | AppError | undefined): ProofFile | undefined {
  try {
    if (data instanceof AppError) throw data;
    return data === undefined ? undefined : parseVersioned(ProofFile, data, key, NEWEST_PROOF_FORMAT);
  } catch (error) {
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(`${messageOf(error)}: this proof is passed over`);
    return undefined;
  }
}
