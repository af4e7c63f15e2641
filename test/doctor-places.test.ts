import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { acquireLease } from "../src/repository/lease.ts";
import { openOrCreateRepository } from "../src/repository/repository.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { diagnose, found, problems, notOk } from "./support/diagnose.ts";

test("in a repository in use the probe leaves everything as it was, an empty folder too", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "shop"), { mode: 0o750 });
  const runtime = testRuntime();
  const storage = openFilesystem(runtime, folder.path);
  await openOrCreateRepository(runtime, storage, noAbort());
  expect(notOk(await diagnose({ url: database.url, storage }))).toEqual([]);
  expect((await readdir(folder.path)).toSorted()).toEqual(["repository.json", "shop"]);
  expect((await stat(join(folder.path, "shop"))).mode & 0o777).toBe(0o750);
  await writeFile(join(folder.path, "shop", "other.txt"), "");
  expect(notOk(await diagnose({ url: database.url, storage }))).toEqual([]);
  expect(await readdir(join(folder.path, "shop"))).toEqual(["other.txt"]);
});

test("a file where the repository's folder should be is a problem", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "file"), "");
  const report = await diagnose({
    url: database.url,
    storage: openFilesystem(testRuntime(), join(folder.path, "file/backups")),
  });
  expect(report.exitCode).toBe(1);
  expect(problems(report)).toContain("repository-write");
  expect(found(report, "repository-write")).toMatchObject({ code: "repository_unusable" });
  expect(await readdir(folder.path)).toEqual(["file"]);
});

test("a place that gives one key twice is refused", async () => {
  await using database = await freshDatabase();
  const memory = memoryStorage();
  const storage: Storage = {
    ...memory,
    putIfAbsent: async (key, data, signal) => {
      await memory.put(key, data, signal);
      return true;
    },
  };
  const report = await diagnose({ url: database.url, storage });
  expect(report.exitCode).toBe(1);
  expect(problems(report)).toEqual(["repository-write"]);
  expect(found(report, "repository-write").message).toContain("two writers could not be kept apart");
});

test("a repository that every user can enter is a warning", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const report = await diagnose({ url: database.url, storage: openFilesystem(testRuntime(), folder.path) });
  expect(report.exitCode).toBe(0);
  expect(found(report, "repository-permissions")).toMatchObject({
    level: "warning",
    hint: `\`chmod o-rwx ${folder.path}\``,
  });
});

test("too little space for another backup like the last is exit 23; for a first one it is a warning", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const memory = memoryStorage();
  const storage: Storage = { ...memory, freeBytes: () => Promise.resolve(100) };
  const first = await diagnose({ url: database.url, storage });
  expect(found(first, "repository-space").level).toBe("warning");
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    const sample = { id: "20241211T143022Z-0001", archive: Buffer.alloc(101) };
    await takeSample(repository, lease, sample, noAbort());
  }
  const report = await diagnose({ url: database.url, storage });
  expect(report.exitCode).toBe(23);
  expect(problems(report)).toEqual(["repository-space"]);
  const tight = await diagnose({
    url: database.url,
    storage: { ...memory, freeBytes: () => Promise.resolve(150) },
  });
  expect(found(tight, "repository-space").level).toBe("warning");
});

test("a writer that lives keeps a backup from running now: exit 11, naming it", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using _lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    const report = await diagnose({ url: database.url, storage });
    expect(report.exitCode).toBe(11);
    expect(found(report, "lease").message).toContain(`process ${process.pid}`);
  }
  expect((await diagnose({ url: database.url, storage })).exitCode).toBe(0);
});

test("a backup from the future is a warning", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    await takeSample(repository, lease, { id: "20991211T143022Z-0001" }, noAbort());
  }
  const report = await diagnose({ url: database.url, storage });
  expect(notOk(report)).toHaveLength(1);
  expect(notOk(report)[0]).toContain("in the future (2099-12-11T14:30:22Z)");
});
