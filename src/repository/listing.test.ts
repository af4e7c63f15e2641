import { expect, test } from "vitest";
import { faulty } from "../../test/support/faulty-storage.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { takeSample } from "../../test/support/sample-backup.ts";
import { AppError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { acquireLease } from "./lease.ts";
import { listBackups, listForeign } from "./listing.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();
const IDS = ["20241209T020000Z-00aa", "20241210T020000Z-00bb", "20241211T020000Z-00cc"] as const;
const [FIRST, SECOND, THIRD] = IDS;

async function repositoryWith(
  ids: readonly string[] = IDS,
): Promise<{ storage: Storage; repository: Repository }> {
  const runtime = testRuntime();
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  for (const id of ids) await takeSample(repository, lease, { id }, signal);
  return { storage, repository };
}

async function idsOf(repository: Repository): Promise<string[]> {
  return (await listBackups(repository, "shop", signal)).backups.map(({ id }) => id);
}

test("a database nobody backed up has no backups", async () => {
  const { repository } = await repositoryWith();
  expect(await listBackups(repository, "other", signal)).toEqual({ backups: [], damaged: [] });
  expect(await listForeign(repository, "other", [], signal)).toEqual([]);
});

test("backups come newest first, by the moment they bring back and then by id", async () => {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, memoryStorage(), signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  // The same moment may be written with and without a fraction of the second.
  const times = [
    ["20241211T020000Z-0001", "2024-12-11T02:00:05Z"],
    ["20241211T020000Z-0002", "2024-12-11T02:00:05.000Z"],
    ["20241211T020000Z-0003", "2024-12-11T02:00:04.999Z"],
    ["20241211T020000Z-0004", "2024-12-11T02:00:05.001Z"],
  ] as const;
  for (const [id, snapshotAt] of times) await takeSample(repository, lease, { id, snapshotAt }, signal);
  expect((await idsOf(repository)).map((id) => id.slice(-1))).toEqual(["4", "2", "1", "3"]);
});

test("one damaged backup hides no other, and says what is wrong", async () => {
  const { storage, repository } = await repositoryWith();
  await storage.put(`shop/backups/${SECOND}/index`, Buffer.from("{"), signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(backups.map(({ id }) => id)).toEqual([THIRD, FIRST]);
  expect(damaged).toEqual([{ id: SECOND, reason: expect.stringContaining("it is not JSON") }]);
});

test("a backup of a newer program, or one that cannot be read, is named among the damaged", async () => {
  const { storage, repository } = await repositoryWith();
  await storage.put(`shop/backups/${FIRST}/index`, Buffer.from('{"format":3}'), signal);
  const unreadable = faulty(storage, {
    at: ({ operation, key }) =>
      operation === "get" && key.includes(SECOND)
        ? new AppError("repository_unusable", "read x: input/output error")
        : undefined,
  });
  const { backups, damaged } = await listBackups({ ...repository, storage: unreadable }, "shop", signal);
  expect(backups.map(({ id }) => id)).toEqual([THIRD]);
  expect(damaged.map(({ reason }) => reason)).toEqual([
    expect.stringContaining("its format is 3"),
    "read x: input/output error",
  ]);
});

test("an error that concerns no single backup is not swallowed", async () => {
  const { storage, repository } = await repositoryWith();
  const broken = faulty(storage, {
    at: ({ operation }) => (operation === "get" ? new Error("bug") : undefined),
  });
  await expect(listBackups({ ...repository, storage: broken }, "shop", signal)).rejects.toThrow("bug");
});

test("a backup whose archive is missing or cut short is damaged, with its summary", async () => {
  const { storage, repository } = await repositoryWith();
  await storage.delete(`shop/handled_${FIRST}.sql.gz`, signal);
  await storage.put(`shop/handled_${SECOND}.sql.gz`, Buffer.from("short"), signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(backups.map(({ id }) => id)).toEqual([THIRD]);
  expect(damaged).toMatchObject([
    { id: FIRST, reason: expect.stringContaining("is missing"), index: { id: FIRST } },
    { id: SECOND, reason: expect.stringContaining("has 5 bytes"), index: { id: SECOND } },
  ]);
});

test("what is being written is no backup, and its archive not foreign", async () => {
  const { storage, repository } = await repositoryWith();
  const index = await storage.get(`shop/backups/${SECOND}/index`, signal);
  const { key, size, sha256 } = (JSON.parse(index.toString()) as { archive: Record<string, unknown> })
    .archive;
  const mark = { format: 1, doing: "write", archive: { key, size, sha256 } };
  await storage.put(`shop/backups/${SECOND}/unfinished`, Buffer.from(JSON.stringify(mark)), signal);
  await storage.delete(`shop/backups/${SECOND}/index`, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(backups.map(({ id }) => id)).toEqual([THIRD, FIRST]);
  expect(damaged).toEqual([]);
  expect(await listForeign(repository, "shop", backups, signal)).toEqual([]);
});

test("a folder with neither index nor mark is reported", async () => {
  const { storage, repository } = await repositoryWith();
  await storage.delete(`shop/backups/${SECOND}/index`, signal);
  expect((await listBackups(repository, "shop", signal)).damaged).toEqual([
    { id: SECOND, reason: "its index is missing" },
  ]);
});

test("folders of others among the backups are passed over", async () => {
  const { storage, repository } = await repositoryWith();
  await storage.put("shop/backups/@eaDir/index", Buffer.from("x"), signal);
  await storage.put("shop/backups/README", Buffer.from("x"), signal);
  expect(await listBackups(repository, "shop", signal)).toMatchObject({ damaged: [] });
});

test("a backup deleted while the listing reads is left out", async () => {
  const { storage, repository } = await repositoryWith();
  const racing = faulty(storage, {
    at: ({ phase, operation, key }) => {
      // Between the survey and the reading of one, between reading and looking at the archive of the other.
      const moment = operation === "get" && key.includes(phase === "before" ? FIRST : SECOND);
      if (moment) void storage.delete(key, signal);
      if (moment) void storage.delete(`shop/handled_${phase === "before" ? FIRST : SECOND}.sql.gz`, signal);
      return undefined;
    },
  });
  const listing = await listBackups({ ...repository, storage: racing }, "shop", signal);
  expect(listing.backups.map(({ id }) => id)).toEqual([THIRD]);
  expect(listing.damaged).toEqual([]);
});

test("foreign are the archives that no backup names, of damaged ones too", async () => {
  const { storage, repository } = await repositoryWith();
  for (const name of ["old.sql", "handled_2.dump", "b.sql.zst", "notes.txt", "below/deep.sql"]) {
    await storage.put(`shop/${name}`, Buffer.from("x"), signal);
  }
  await storage.put(`shop/backups/${FIRST}/index`, Buffer.from("{"), signal);
  await storage.put(`shop/handled_${SECOND}.sql.gz`, Buffer.from("short"), signal);
  const { backups } = await listBackups(repository, "shop", signal);
  const foreign = await listForeign(repository, "shop", backups, signal);
  // The damaged index names nothing any more; the archive that is only cut short still belongs to its backup.
  expect(foreign.map(({ key }) => key)).toEqual(
    ["shop/b.sql.zst", `shop/handled_${FIRST}.sql.gz`, "shop/handled_2.dump", "shop/old.sql"].toSorted(),
  );
});

test("a backup completed after the listing is not taken for a foreign archive", async () => {
  const { repository } = await repositoryWith();
  expect(await listForeign(repository, "shop", [], signal)).toEqual([]);
});
