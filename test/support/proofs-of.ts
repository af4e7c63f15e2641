import { databaseFolder } from "../../src/repository/layout.ts";
import { ProofFile } from "../../src/repository/proof-file.ts";
import { openRepository } from "../../src/repository/repository.ts";
import type { BackedUp } from "./backed-up.ts";
import { noAbort, testRuntime } from "./runtime.ts";

/** Every proof that is recorded of a database, by its key. */
export async function proofsOf({ name, storage }: BackedUp): Promise<Map<string, ProofFile>> {
  const signal = noAbort();
  const repository = await openRepository(testRuntime(), storage, signal);
  const keys = await repository.storage.keys(`${databaseFolder(name)}records/proofs/`, "all", signal);
  const proofs = new Map<string, ProofFile>();
  for (const key of keys.toSorted()) {
    const text = (await repository.storage.get(key, signal)).toString();
    proofs.set(key, ProofFile.parse(JSON.parse(text)));
  }
  return proofs;
}
