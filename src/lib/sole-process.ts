import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

// "Result and Error Codes", sqlite.org.
const SQLITE_BUSY = 5;

/**
 * Takes a lock that the system gives back when this process ends, however it ends; null where another process has it. Node
 * offers no lock on files, so SQLite takes it: the file is an empty database, and stays.
 */
export async function takeSoleProcess(path: string): Promise<Disposable | null> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec("begin exclusive");
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return null;
    throw error;
  }
}
