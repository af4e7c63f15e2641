import type { z } from "zod";
import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder, stateOfHolder } from "./holder.ts";
import {
  begunRecoveriesFolder,
  begunRecoveryKey,
  recoveriesFolder,
  recoveryKey,
  recoveryNoteKey,
  recoveryNotesFolder,
} from "./layout.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";
import { RecoveryFile, RecoveryNoteFile } from "./recovery-file.ts";
import type { Repository } from "./repository.ts";

/** One recovery or drill, with what was noted about it afterwards, the first note first. */
export interface RecordedRecovery extends RecoveryFile {
  readonly notes: readonly RecoveryNoteFile[];
}

/** Records that one has begun. Needs no lease. Errors: those of the storage. */
export async function recordRecoveryBegun(
  { storage }: Repository,
  database: string,
  recovery: RecoveryFile,
  signal: AbortSignal,
): Promise<void> {
  await storage.put(begunRecoveryKey(database, recovery.id), encode(recovery), signal);
}

/** Records how one ended, and then no longer that it has begun. Whoever was first has said it. */
export async function recordRecoveryEnded(
  { storage }: Repository,
  database: string,
  recovery: RecoveryFile,
  signal: AbortSignal,
): Promise<void> {
  await storage.putIfAbsent(recoveryKey(database, recovery.id), encode(recovery), signal);
  await storage.delete(begunRecoveryKey(database, recovery.id), signal);
}

/** As if it had never begun. */
export async function forgetRecoveryBegun(
  { storage }: Repository,
  database: string,
  { id }: Pick<RecoveryFile, "id">,
  signal: AbortSignal,
): Promise<void> {
  await storage.delete(begunRecoveryKey(database, id), signal);
}

/** Records what somebody learned from one. Needs no lease. Errors: those of the storage. */
export async function recordRecoveryNote(
  { storage }: Repository,
  database: string,
  { id, file }: { readonly id: string; readonly file: RecoveryNoteFile },
  signal: AbortSignal,
): Promise<void> {
  const data = encodeJson(requireSound(RecoveryNoteFile, file, `the note on ${file.recovery}`));
  await storage.putIfAbsent(recoveryNoteKey(database, id), data, signal);
}

/** Writes down that recoveries and drills of this machine whose processes are gone were interrupted. Of other machines' nobody knows. */
export async function recordInterruptedRecoveries(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { interrupted } of await readBegun(runtime, repository, database, signal))
    if (interrupted !== undefined) await recordRecoveryEnded(repository, database, interrupted, signal);
}

/**
 * The last recoveries and drills of a database, newest first; one whose process is gone is interrupted. What cannot be read is told
 * and passed over.
 */
export async function readRecoveries(
  runtime: Runtime,
  repository: Repository,
  { database, last }: { readonly database: string; readonly last: number },
  signal: AbortSignal,
): Promise<RecordedRecovery[]> {
  // Before what has ended: what ends meanwhile is then seen there.
  const begun = await readBegun(runtime, repository, database, signal);
  const ended = await keysIn(repository, recoveriesFolder(database), signal);
  const newest = ended.toSorted().slice(-last);
  const found = await readAll(runtime, repository, { keys: newest, schema: RecoveryFile }, signal);
  const all = new Map(begun.map(({ file, interrupted }) => [file.id, interrupted ?? file]));
  for (const file of found) all.set(file.id, file);
  const recoveries = [...all.values()].toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, last);
  if (recoveries.length === 0) return [];
  const keys = await keysIn(repository, recoveryNotesFolder(database), signal);
  const notes = await readAll(runtime, repository, { keys, schema: RecoveryNoteFile }, signal);
  return recoveries.map((recovery) => ({
    ...recovery,
    notes: notes.filter(({ recovery: of }) => of === recovery.id).toSorted((a, b) => (a.at < b.at ? -1 : 1)),
  }));
}

function encode(recovery: RecoveryFile): Buffer {
  return encodeJson(requireSound(RecoveryFile, recovery, `the record of ${recovery.kind} ${recovery.id}`));
}

interface BegunRecovery {
  readonly file: RecoveryFile;
  /** How it ended, where its process is gone. */
  readonly interrupted: RecoveryFile | undefined;
}

async function readBegun(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BegunRecovery[]> {
  const keys = await keysIn(repository, begunRecoveriesFolder(database), signal);
  const files = await readAll(runtime, repository, { keys, schema: RecoveryFile }, signal);
  if (files.length === 0) return [];
  const self = await describeHolder("look");
  const begun: BegunRecovery[] = [];
  for (const file of files) {
    const isGone = (await stateOfHolder(file.by, self)) === "dead";
    begun.push({ file, interrupted: isGone ? { ...file, outcome: "interrupted" } : undefined });
  }
  return begun;
}

/** What lies directly in a folder. */
async function keysIn({ storage }: Repository, folder: string, signal: AbortSignal): Promise<string[]> {
  const keys = await storage.keys(folder, "here", signal);
  return keys.filter((key) => key.endsWith(".json"));
}

async function readAll<T>(
  runtime: Runtime,
  { storage }: Repository,
  { keys, schema }: { readonly keys: readonly string[]; readonly schema: z.ZodType<T> },
  signal: AbortSignal,
): Promise<T[]> {
  const found = await storage.getMany([...keys], signal);
  return keys.flatMap((key, at) => {
    const data = found[at];
    // It ended meanwhile.
    if (isAppError(data, "object_missing")) return [];
    try {
      if (data === undefined || data instanceof AppError)
        throw data ?? new AppError("unexpected", `read ${key}: nothing came`);
      return [parseVersioned(schema, data, key)];
    } catch (error) {
      if (!isAppError(error)) throw error;
      runtime.reporter.warn(`${messageOf(error)}: this record is passed over`);
      return [];
    }
  });
}
