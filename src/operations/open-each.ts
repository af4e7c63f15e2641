import { type AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";

/** Opens those places that can be; throws where none can. `failures`: why the others could not. */
export async function openEach(
  runtime: Runtime,
  storages: readonly Storage[],
  signal: AbortSignal,
): Promise<{ readonly repositories: readonly Repository[]; readonly failures: readonly AppError[] }> {
  const repositories: Repository[] = [];
  const failures: AppError[] = [];
  for (const storage of storages) {
    try {
      repositories.push(await openRepository(runtime, storage, signal));
    } catch (error) {
      if (!isAppError(error) || signal.aborted) throw error;
      failures.push(error);
    }
  }
  const [failure] = failures;
  if (repositories.length === 0 && failure !== undefined) throw failure;
  return { repositories, failures };
}
