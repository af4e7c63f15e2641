import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder } from "./holder.ts";
import { DutyFile } from "./duty-file.ts";
import { dutiesFolder, dutyKey } from "./layout.ts";
import { FORMAT_VERSION } from "./manifest.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";
import type { Repository } from "./repository.ts";
import { newRunId } from "./runs.ts";

/** A duty that is done now. @param by who has done it; undefined: whoever runs this process */
export async function dutyDone(
  { clock }: Runtime,
  duty: string,
  note: string,
  by: string | undefined,
): Promise<{ readonly id: string; readonly file: DutyFile }> {
  const { host, user } = await describeHolder("checklist");
  const at = clock.now().toISOString();
  const file: DutyFile = { format: FORMAT_VERSION, duty, at, host, user: by ?? user, note };
  return { id: newRunId(clock), file: requireSound(DutyFile, file, `the record of ${duty}`) };
}

/** Records it. Needs no lease. Errors: those of the storage. */
export async function recordDuty(
  { storage }: Repository,
  database: string,
  { id, file }: { readonly id: string; readonly file: DutyFile },
  signal: AbortSignal,
): Promise<void> {
  await storage.putIfAbsent(dutyKey(database, id), encodeJson(file), signal);
}

/** All that is recorded of duties, by their identities. What cannot be read is told and passed over. */
export async function readDuties(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Map<string, DutyFile>> {
  const keys = await storage.keys(dutiesFolder(database), "here", signal);
  const found = await storage.getMany(keys, signal);
  const done = new Map<string, DutyFile>();
  for (const [at, key] of keys.entries()) {
    const data = found[at];
    try {
      if (data === undefined || data instanceof AppError)
        throw data ?? new AppError("unexpected", `read ${key}: nothing came`);
      done.set(key.slice(dutiesFolder(database).length), parseVersioned(DutyFile, data, key));
    } catch (error) {
      if (!isAppError(error)) throw error;
      runtime.reporter.warn(`${messageOf(error)}: this record is passed over`);
    }
  }
  return done;
}
