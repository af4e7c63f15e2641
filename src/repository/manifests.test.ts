import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { sampleBackup, takeSample } from "../../test/support/sample-backup.ts";
import { memoryStorage } from "../storage/memory.ts";
import { acquireLease } from "./lease.ts";
import { BACKUP_ID, BackupId, type BackupIndex } from "./manifest.ts";
import { encodeManifest, newBackupId, readContent, readIndex, readTables } from "./manifests.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();
const ID = "20241211T143022Z-7f3a";
const INDEX = `shop/backups/${ID}/index`;

async function repositoryWithBackup(): Promise<{ repository: Repository; index: BackupIndex }> {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, memoryStorage(), signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  return { repository, index: await takeSample(repository, lease, { id: ID }, signal) };
}

const read = (repository: Repository): Promise<BackupIndex> =>
  readIndex(repository, "shop", BackupId.parse(ID), signal);

test("an id holds the UTC second and a random part", () => {
  const clock = manualClock(new Date("2024-12-11T14:30:22.987Z"));
  expect(newBackupId(clock)).toMatch(/^20241211T143022Z-[0-9a-f]{4}$/);
  expect(newBackupId(clock)).toMatch(BACKUP_ID);
  expect(new Set(Array.from({ length: 20 }, () => newBackupId(clock))).size).toBeGreaterThan(10);
});

test("a manifest is read back as it was written", async () => {
  const { repository, index } = await repositoryWithBackup();
  const sample = sampleBackup({ id: ID });
  expect(await read(repository)).toEqual(index);
  expect(index).toMatchObject(sample.head);
  expect(await readTables(repository, index, signal)).toEqual(sample.tables);
  expect(await readContent(repository, index, signal)).toEqual(sample.content);
});

test("a backup that is not there is backup_missing", async () => {
  const { repository } = await repositoryWithBackup();
  const other = BackupId.parse("20241211T143022Z-0000");
  await expect(readIndex(repository, "shop", other, signal)).rejects.toMatchObject({
    code: "backup_missing",
  });
});

test("a newer index is refused with the versions, even if nothing else of it is known", async () => {
  const { repository } = await repositoryWithBackup();
  await repository.storage.put(INDEX, Buffer.from('{"format":7,"shape":"new"}'), signal);
  await expect(read(repository)).rejects.toMatchObject({
    code: "repository_version",
    message: expect.stringContaining("its format is 7"),
    hint: expect.any(String),
  });
});

test.each([
  ["cut short", (text: string) => text.slice(0, 100)],
  ["of another backup", (text: string) => text.replaceAll("7f3a", "7f3b")],
  [
    "of another database",
    (text: string) => text.replace('"database":"shop","kind"', '"database":"x","kind"'),
  ],
  ["with an unknown key", (text: string) => text.replace('"kind"', '"colour":"red","kind"')],
  ["with an archive outside", (text: string) => text.replace('"key":"shop/', '"key":"../../etc/')],
  ["with an archive of another database", (text: string) => text.replace('"key":"shop/', '"key":"other/')],
])("an index %s is backup_damaged", async (_what, damage) => {
  const { repository } = await repositoryWithBackup();
  const text = (await repository.storage.get(INDEX, signal)).toString();
  expect(damage(text)).not.toBe(text);
  await repository.storage.put(INDEX, Buffer.from(damage(text)), signal);
  await expect(read(repository)).rejects.toMatchObject({ code: "backup_damaged" });
});

test.each(["tables", "content"] as const)("%s that changed in any byte are backup_damaged", async (name) => {
  const { repository, index } = await repositoryWithBackup();
  const key = `shop/backups/${ID}/${name}`;
  const reading = () => (name === "tables" ? readTables : readContent)(repository, index, signal);
  const data = await repository.storage.get(key, signal);
  const flipped = Buffer.from(data);
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  await repository.storage.put(key, flipped, signal);
  await expect(reading()).rejects.toMatchObject({
    code: "backup_damaged",
    message: expect.stringContaining("SHA"),
  });
  await repository.storage.put(key, data.subarray(0, -1), signal);
  await expect(reading()).rejects.toMatchObject({
    code: "backup_damaged",
    message: expect.stringContaining("bytes"),
  });
  await repository.storage.delete(key, signal);
  await expect(reading()).rejects.toMatchObject({ code: "object_missing" });
});

test("a database without tables has an empty list of them", () => {
  const { head, content } = sampleBackup({ id: ID });
  const encoded = encodeManifest(head, [], content);
  expect(encoded.tablesData).toHaveLength(0);
  expect(encoded.index.tables.size).toBe(0);
});

test("an index above 64 KiB, or one that could not be read back, is refused before anything is written", () => {
  const many = Array.from({ length: 2000 }, (_, number) => `a schema with a long name ${number}`);
  const { head, tables, content } = sampleBackup({ id: ID, schemas: many });
  expect(() => encodeManifest(head, tables, content)).toThrow(/65536 are allowed/);
  const sound = sampleBackup({ id: ID });
  expect(() => encodeManifest({ ...sound.head, durationMs: -1 }, tables, content)).toThrow(/durationMs/);
});
