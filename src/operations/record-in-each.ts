import type { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import { noteChange } from "./changes-here.ts";
import { isOfPlace } from "./places.ts";

/**
 * Records in every place of a database. Fails only where it could be recorded nowhere, with what the first place said.
 * @returns why it is not recorded in some of them
 */
export async function recordInEach(
  runtime: Runtime,
  storages: readonly Storage[],
  record: (repository: Repository) => Promise<void>,
  signal: AbortSignal,
): Promise<readonly AppError[]> {
  const failures: AppError[] = [];
  for (const storage of storages) {
    try {
      await record(await openRepository(runtime, storage, signal));
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      failures.push(error);
    }
  }
  await noteChange(runtime, storages);
  const [first] = failures;
  if (first !== undefined && failures.length === storages.length) throw first;
  return failures;
}
