import { measureList as listMany } from "../list-many.ts";
import type { Findings } from "./goals.ts";

const BACKUPS = 10_000;

/** Listing a repository of very many backups. */
export async function measureList(): Promise<Findings> {
  const { table, json } = listMany(BACKUPS);
  return await Promise.resolve({
    list: { value: Math.max(table, json), detail: `table ${table.toFixed(2)} s, JSON ${json.toFixed(2)} s` },
  });
}
