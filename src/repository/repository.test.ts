import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { faulty } from "../../test/support/faulty-storage.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { AppError } from "../errors.ts";
import { openFilesystem } from "../storage/filesystem.ts";
import { memoryStorage } from "../storage/memory.ts";
import { listDatabases, openOrCreateRepository, openRepository } from "./repository.ts";

const signal = noAbort();

test("a repository is made once, and opened afterwards", async () => {
  const runtime = testRuntime();
  const storage = memoryStorage();
  await expect(openRepository(runtime, storage, signal)).rejects.toMatchObject({
    code: "repository_missing",
    exitCode: 10,
  });
  const made = await openOrCreateRepository(runtime, storage, signal);
  expect(runtime.notes).toEqual(["made a new repository in memory"]);
  expect((await openOrCreateRepository(runtime, storage, signal)).file).toEqual(made.file);
  expect((await openRepository(runtime, storage, signal)).file).toEqual(made.file);
  expect(runtime.notes).toHaveLength(1);
});

test("two first runs at once share one repository, and only the one that made it says so", async () => {
  const storage = memoryStorage();
  const runtimes = [1, 2, 3, 4].map(() => testRuntime());
  const opened = await Promise.all(
    runtimes.map((runtime) => openOrCreateRepository(runtime, storage, signal)),
  );
  expect(new Set(opened.map(({ file }) => file.id)).size).toBe(1);
  expect(runtimes.flatMap(({ notes }) => notes)).toEqual(["made a new repository in memory"]);
});

test("files that lie in the folder already stay as they are", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "old"));
  await writeFile(join(folder.path, "old/notes.txt"), "mine");
  await openOrCreateRepository(testRuntime(), openFilesystem(testRuntime(), folder.path), signal);
  expect(await readFile(join(folder.path, "old/notes.txt"), "utf8")).toBe("mine");
});

test.each([
  ["no JSON", "{", "repository_unusable"],
  ["cut to nothing", "", "repository_unusable"],
  ["not an object", "[]", "repository_unusable"],
  ["a missing field", '{"format":1,"id":"c0a8f7a2-90f5-4a5e-9b1f-5f1e8f0d1c2b"}', "repository_unusable"],
  ["a newer format, whatever else is in it", '{"format":3,"engine":"new"}', "repository_version"],
])("repository.json with %s is refused with a hint", async (_what, text, code) => {
  const storage = memoryStorage();
  await storage.put("repository.json", Buffer.from(text), signal);
  const refusal = { code, hint: expect.any(String) };
  await expect(openRepository(testRuntime(), storage, signal)).rejects.toMatchObject(refusal);
  await expect(openOrCreateRepository(testRuntime(), storage, signal)).rejects.toMatchObject(refusal);
  expect((await storage.get("repository.json", signal)).toString()).toBe(text);
});

test("a place that cannot be written says so, with the reason's own code and hint", async () => {
  const storage = faulty(memoryStorage(), {
    at: ({ operation }) =>
      operation === "putIfAbsent"
        ? new AppError("repository_unusable", "write x: permission denied", { hint: "give access" })
        : undefined,
  });
  await expect(openOrCreateRepository(testRuntime(), storage, signal)).rejects.toMatchObject({
    code: "repository_unusable",
    message: "make a repository in memory: write x: permission denied",
    hint: "give access",
  });
});

test("databases are the folders that hold backups or archives, under their real names", async () => {
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(testRuntime(), storage, signal);
  const x = Buffer.from("x");
  await storage.put("shop/backups/20241211T143022Z-7f3a/index", x, signal);
  await storage.put("na%22me%20%C3%BC/backups/20241211T143022Z-7f3a/index", x, signal);
  await storage.put("%73ystem/backups/20241211T143022Z-7f3a/index", x, signal);
  await storage.put("foreign/dump_2020.sql.gz", x, signal);
  await storage.put("system/strategy", x, signal);
  await storage.put("system/old.sql", x, signal);
  await storage.put("photos/holiday.jpg", x, signal);
  await storage.put("not%encoded/backups/x", x, signal);
  await storage.put("lost+found/backups/x", x, signal);
  expect(await listDatabases(repository, signal)).toEqual(["foreign", 'na"me ü', "shop", "system"]);
});
