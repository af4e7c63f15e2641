import { updateLatest } from "../../src/operations/latest.ts";
import { acquireLease } from "../../src/repository/lease.ts";
import { listBackups } from "../../src/repository/backups.ts";
import { isSnapshot } from "../../src/repository/listing.ts";
import { readTables } from "../../src/repository/manifests.ts";
import { partKey, partListKey } from "../../src/repository/layout.ts";
import { readPartList } from "../../src/repository/part-lists.ts";
import { noAbort, testRuntime } from "./runtime.ts";
import { takeSampleSnapshot } from "./sample-snapshot.ts";
import { type SampleRepository, sampleRepository } from "./sample-repository.ts";

export const ARCHIVE = "20241201T020000Z-0001";
export const FIRST = "20241202T020000Z-0002";
export const SECOND = "20241203T020000Z-0003";
export const THIRD = "20241204T020000Z-0004";

/**
 * `shop`: an archive, and three snapshots that share parts, part lists, or nothing.
 * @param isFolder as for `sampleRepository`
 */
export async function shopRepository(isFolder?: boolean): Promise<SampleRepository> {
  const there = await sampleRepository([{ id: ARCHIVE }], isFolder);
  await using lease = await acquireLease(testRuntime(), there.repository, "shop", "backup", noAbort());
  const take = async (id: string, tables: Record<string, string[]>): Promise<void> => {
    await takeSampleSnapshot(there.repository, lease, { id, tables }, noAbort());
  };
  await take(FIRST, { orders: ["1\n", "2\n"], items: ["a\n"] });
  await take(SECOND, { orders: ["1\n", "3\n"], items: ["a\n"] });
  await take(THIRD, { orders: ["3\n", "4\n"], items: ["a\n", "b\n"] });
  const { backups } = await listBackups(there.repository, "shop", noAbort());
  await updateLatest(there.repository, "shop", "handled", backups, noAbort());
  return there;
}

/** The keys of the part list of a table of a snapshot, and of its parts. */
export async function keysOf(
  { repository }: SampleRepository,
  id: string,
  table: string,
): Promise<{ readonly list: string; readonly parts: readonly string[] }> {
  const { backups } = await listBackups(repository, "shop", noAbort());
  const index = backups.filter(isSnapshot).find((backup) => backup.id === id);
  if (index === undefined) throw new Error(`there is no snapshot ${id}`);
  const found = (await readTables(repository, index, noAbort())).find(({ name }) => name === table);
  if (found?.partList == null) throw new Error(`${id} has no part list of ${table}`);
  const { ranges } = await readPartList(repository, "shop", found.partList, noAbort());
  const parts: string[] = [];
  for await (const range of ranges) for (const { name } of range.parts) parts.push(partKey("shop", name));
  return { list: partListKey("shop", found.partList.name), parts };
}
