import { measureList as listMany } from "../list-many.ts";
import type { Bench } from "./bench.ts";
import type { Findings } from "./goals.ts";

const BACKUPS = 10_000;

/** Listing a repository of very many backups. */
export async function measureList({ place }: Bench): Promise<Findings> {
  const { table, json } = listMany(BACKUPS, place.program);
  return await Promise.resolve({
    list: { value: Math.max(table, json), detail: `table ${table.toFixed(2)} s, JSON ${json.toFixed(2)} s` },
  });
}
