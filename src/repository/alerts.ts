import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { AlertsFile } from "./alerts-file.ts";
import { alertsKey } from "./layout.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";

/**
 * What a place remembers of the alerts of a database (null: of those that concern none); undefined where it remembers nothing.
 * What is damaged is told and passed over: the worst that follows is that something is told twice. Errors: those of the
 * storage, and `repository_version`.
 */
export async function readAlerts(
  runtime: Runtime,
  storage: Storage,
  database: string | null,
  signal: AbortSignal,
): Promise<AlertsFile | undefined> {
  const key = alertsKey(database);
  try {
    return parseVersioned(AlertsFile, await storage.get(key, signal), key);
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    if (!isAppError(error, "backup_damaged")) throw error;
    runtime.reporter.warn(`${messageOf(error)}: what was told before is not known from there`);
    return undefined;
  }
}

/** Replaces it. Needs no lease: nothing else depends on it. Errors: those of the storage. */
export async function writeAlerts(storage: Storage, file: AlertsFile, signal: AbortSignal): Promise<void> {
  const data = encodeJson(requireSound(AlertsFile, file, "the record of alerts"));
  await storage.put(alertsKey(file.database), data, signal);
}
