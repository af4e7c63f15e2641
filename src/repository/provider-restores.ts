import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { providerRestoreKey, providerRestoresFolder } from "./layout.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";
import { ProviderRestoreFile } from "./provider-restore-file.ts";
import type { Repository } from "./repository.ts";

// Whoever restores that often knows the older ones.
const LOOKED_AT = 64;

/** Records it under its identity. Needs no lease. Errors: those of the storage. */
export async function writeProviderRestore(
  { storage }: Repository,
  id: string,
  file: ProviderRestoreFile,
  signal: AbortSignal,
): Promise<void> {
  const sound = requireSound(ProviderRestoreFile, file, `the record of ${file.cluster.name}`);
  await storage.putIfAbsent(providerRestoreKey(file.database, id), encodeJson(sound), signal);
}

/** The last of them, by their identities. What cannot be read is told and passed over. */
export async function readProviderRestores(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Map<string, ProviderRestoreFile>> {
  const folder = providerRestoresFolder(database);
  // Their names begin with the time.
  const keys = (await storage.keys(folder, "here", signal)).toSorted().slice(-LOOKED_AT);
  const found = await storage.getMany(keys, signal);
  const restores = new Map<string, ProviderRestoreFile>();
  for (const [n, key] of keys.entries()) {
    const data = found[n];
    try {
      if (data === undefined || data instanceof AppError)
        throw data ?? new AppError("unexpected", `read ${key}: nothing came`);
      restores.set(key.slice(folder.length), parseVersioned(ProviderRestoreFile, data, key));
    } catch (error) {
      if (!isAppError(error)) throw error;
      runtime.reporter.warn(`${messageOf(error)}: this record is passed over`);
    }
  }
  return restores;
}

/** Whether it shows that the service's backup of this very time comes back: all of it was looked at. */
export function provesBackup({ exact, unread, at }: ProviderRestoreFile, createdAt: Date): boolean {
  // The service tells its times to the second.
  return exact && unread === 0 && at.slice(0, 19) === createdAt.toISOString().slice(0, 19);
}
