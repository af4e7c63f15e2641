import type { AppError } from "../../errors.ts";
import { listDatabases, type Repository, whatIsKnownOf } from "../../repository/repository.ts";

/** The databases that a look at a repository is about. */
export interface AskedFor {
  /** Those of which there is anything, in the order in which they were asked for. */
  readonly databases: readonly string[];
  /** One for each name of which there is nothing. */
  readonly unknown: readonly { readonly name: string; readonly error: AppError; readonly note: string }[];
}

/** @param names null: every database in the repository */
export async function askedFor(
  repository: Repository,
  names: readonly string[] | null,
  signal: AbortSignal,
): Promise<AskedFor> {
  if (names === null) return { databases: await listDatabases(repository, signal), unknown: [] };
  const databases: string[] = [];
  const unknown: { name: string; error: AppError; note: string }[] = [];
  for (const name of names) {
    const known = await whatIsKnownOf(repository, name, signal);
    if (known.there) databases.push(name);
    else unknown.push({ name, error: known.error, note: known.note });
  }
  return { databases, unknown };
}
