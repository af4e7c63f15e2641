import { isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { BackupId } from "../../repository/manifest.ts";
import { newestProofs } from "../../repository/proofs.ts";
import type { Repository } from "../../repository/repository.ts";
import { recordStored } from "../record-stored.ts";
import { storedDamage } from "../repository/stored-damage.ts";
import { takeStock } from "../repository/take-stock.ts";

/**
 * Looks whether everything that any backup of the database needs is there in its size, from listings and part lists, without
 * reading what is stored. What is not is written down, unless that is known; and told.
 * @returns the backups of which that is new
 */
export async function checkOthers(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BackupId[]> {
  const stock = await takeStock(repository, database, signal);
  const damage = await storedDamage(repository, stock, signal);
  const ids = damage.map(({ index }) => index.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const found: BackupId[] = [];
  for (const one of damage) {
    const { id } = one.index;
    if (proofs.get(id)?.outcome === "failed") continue;
    try {
      await recordStored(runtime, repository, "check", one, signal);
    } catch (error) {
      // Somebody deleted it meanwhile.
      if (isAppError(error, "backup_missing")) continue;
      throw error;
    }
    found.push(id);
    const [first] = one.problems;
    const more = one.problemCount > 1 ? `, and ${counted(one.problemCount - 1, "more problem")}` : "";
    runtime.reporter.warn(
      `${id} cannot be restored whole any more, which is recorded: ${first?.reason ?? ""}${more}`,
    );
  }
  return found;
}
