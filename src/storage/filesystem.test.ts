import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { storageContract } from "../../test/support/storage-contract.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { runStorageChild } from "../../test/support/storage-child.ts";
import { openFilesystem } from "./filesystem.ts";

const signal = noAbort();

const noHardLinks = async (): Promise<void> => {
  throw Object.assign(new Error("Operation not permitted"), { code: "EPERM" });
};

storageContract("filesystem", async () => {
  const folder = await temporaryFolder();
  // A folder that does not exist yet: nothing may depend on it.
  return {
    storage: openFilesystem(testRuntime(), join(folder.path, "new", "repository")),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

test("files and folders are for their owner alone", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), join(folder.path, "root"));
  await storage.put("a/put", Buffer.from("x"), signal);
  await storage.putIfAbsent("a/created", Buffer.from("x"), signal);
  {
    await using staged = await storage.stage("a/staged", signal);
    await staged.finish();
    await staged.publish();
  }
  for (const name of ["put", "created", "staged"]) {
    expect((await stat(join(folder.path, "root/a", name))).mode & 0o777).toBe(0o600);
  }
  for (const name of ["root", "root/a"]) {
    expect((await stat(join(folder.path, name))).mode & 0o777).toBe(0o700);
  }
});

test("a staged file lies beside its final place, under a name that nobody lists", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), folder.path);
  await using staged = await storage.stage("db/archive.sql.gz", signal);
  await staged.write(Buffer.from("x"));
  expect(await readdir(join(folder.path, "db"))).toEqual([expect.stringMatching(/^\.handled-.*\.tmp$/)]);
  expect(await Array.fromAsync(storage.list("", "all", signal))).toEqual([]);
});

test("sweep removes what crashed writers left, and nothing else", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), folder.path);
  await storage.put("db/kept", Buffer.from("x"), signal);
  await storage.put("other/kept", Buffer.from("x"), signal);
  await mkdir(join(folder.path, "db/backups/emptied"), { recursive: true });
  const abandoned = await storage.stage("db/deep/archive", signal);
  await abandoned.write(Buffer.from("x"));
  const elsewhere = await storage.stage("other/archive", signal);
  await symlink("kept", join(folder.path, "db/.handled-0b8e3a52-6f7c-4a1e-9d0f-2f1f4a3b5c6d.tmp"));
  await writeFile(join(folder.path, "db/.handled-notes.tmp"), "a user's own file");
  expect(await storage.strays("db/", signal)).toBe(2);
  expect(await storage.sweep("db/", signal)).toBe(2);
  expect((await readdir(join(folder.path, "db"))).toSorted()).toEqual([".handled-notes.tmp", "kept"]);
  expect(await readdir(join(folder.path, "other"))).toHaveLength(2);
  await abandoned[Symbol.asyncDispose]();
  await elsewhere[Symbol.asyncDispose]();
});

test("deleting removes folders that became empty, never the root", async () => {
  await using folder = await temporaryFolder();
  const root = join(folder.path, "root");
  const storage = openFilesystem(testRuntime(), root);
  await storage.put("db/backups/one/index", Buffer.from("x"), signal);
  await storage.put("db/kept", Buffer.from("x"), signal);
  await storage.delete("db/backups/one/index", signal);
  expect(await readdir(join(root, "db"))).toEqual(["kept"]);
  await storage.delete("db/kept", signal);
  expect(await readdir(root)).toEqual([]);
});

test("a link is relative, so that the repository can be moved", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), folder.path);
  await storage.put("db/archive", Buffer.from("x"), signal);
  expect(await storage.link("db/latest", "db/archive", signal)).toBe(true);
  expect(await readlink(join(folder.path, "db/latest"))).toBe("archive");
});

test("listing follows no link, but a database's folder may be one", async () => {
  await using folder = await temporaryFolder();
  const root = join(folder.path, "root");
  const storage = openFilesystem(testRuntime(), root);
  await storage.put("db/archive", Buffer.from("x"), signal);
  await mkdir(join(folder.path, "disk"));
  await writeFile(join(folder.path, "disk/archive"), "y");
  await symlink("../disk", join(root, "elsewhere"));
  await symlink("..", join(root, "db/loop"));
  await symlink("nowhere", join(root, "broken"));
  const all = await Array.fromAsync(storage.list("", "all", signal));
  expect(all.map(({ key }) => key)).toEqual(["db/archive"]);
  expect(await storage.folders("", signal)).toEqual(["db", "elsewhere"]);
  const linked = await Array.fromAsync(storage.list("elsewhere/", "here", signal));
  expect(linked.map(({ key }) => key)).toEqual(["elsewhere/archive"]);
});

test("without hard links publishing still refuses to overwrite", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), folder.path, noHardLinks);
  await using first = await storage.stage("db/a", signal);
  await first.write(Buffer.from("first"));
  await first.finish();
  await using second = await storage.stage("db/a", signal);
  await second.finish();
  await first.publish();
  await expect(second.publish()).rejects.toMatchObject({ code: "object_exists" });
  expect(await readFile(join(folder.path, "db/a"), "utf8")).toBe("first");
});

test("without hard links nothing that must be created once is created at all", async () => {
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), folder.path, noHardLinks);
  const creating = storage.putIfAbsent("db/lease.1.json", Buffer.from("x"), signal);
  await expect(creating).rejects.toMatchObject({
    code: "repository_unusable",
    hint: expect.stringContaining("ext4"),
  });
  expect(await readdir(join(folder.path, "db"))).toEqual([]);
});

test("a file where a folder should be is reported as such", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "file"), "x");
  const storage = openFilesystem(testRuntime(), join(folder.path, "file"));
  await expect(storage.put("db/a", Buffer.from("x"), signal)).rejects.toMatchObject({
    code: "repository_unusable",
    message: expect.stringContaining("is a file, not a folder"),
  });
});

test("a full disk is space_missing for every way of writing, and leaves no file", async () => {
  const results = await runStorageChild("full-disk");
  expect(results).toEqual({
    put: "space_missing",
    putIfAbsent: "space_missing",
    stage: "space_missing",
    files: [],
  });
});

test("a read-only file system and missing rights are explained", async () => {
  expect(await runStorageChild("read-only")).toEqual({
    code: "repository_unusable",
    message: expect.stringContaining("read-only"),
    hint: expect.stringContaining("mount it writable"),
  });
  expect(await runStorageChild("no-rights")).toEqual({
    code: "repository_unusable",
    message: expect.stringContaining("permission denied"),
    hint: expect.stringContaining("run as the user who owns"),
  });
});

test("a place where nothing can be created is an error, not an endless search for a parent", async () => {
  // Linux answers ENOENT to whoever creates something in it.
  const storage = openFilesystem(testRuntime(), "/proc/handled/repository");
  await expect(storage.put("db/a", Buffer.from("x"), signal)).rejects.toMatchObject({
    code: "repository_unusable",
  });
});
