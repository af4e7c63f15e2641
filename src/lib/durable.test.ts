import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { noAbort } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import {
  copyDurable,
  isTemporaryName,
  requireWritable,
  syncFolder,
  temporaryName,
  writeDurable,
} from "./durable.ts";

const run = promisify(execFile);

/** Some bytes, and then an error. */
function breaking(error: Error): Readable {
  return Readable.from(
    (async function* () {
      yield await Promise.resolve(Buffer.alloc(100_000));
      throw error;
    })(),
  );
}

/** Bytes that come for ever. */
function endless(onChunk: () => void = () => {}): Readable {
  return new Readable({
    read() {
      onChunk();
      setImmediate(() => this.push(Buffer.alloc(65_536)));
    },
  });
}

test("a temporary name is in the same folder, fits where the name fits, and is known as one", () => {
  const name = temporaryName(`/backups/${"x".repeat(255)}`);
  expect(name).toMatch(/^\/backups\/\.handled-[0-9a-f-]{36}\.tmp$/);
  expect(isTemporaryName(name.slice("/backups/".length))).toBe(true);
  expect(temporaryName("/backups/a")).not.toBe(temporaryName("/backups/a"));
  for (const other of ["a.tmp", ".handled-x.tmp", `x${name.slice(9)}`, `${name.slice(9)}.gz`]) {
    expect(isTemporaryName(other)).toBe(false);
  }
});

describe("writeDurable", () => {
  test("writes with the mode given and replaces what was there", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "file");
    await writeDurable(path, "one");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeDurable(path, new Uint8Array([116, 119, 111]), 0o640);
    expect(await readFile(path, "utf8")).toBe("two");
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder.path)).toEqual(["file"]);
  });

  test("leaves nothing behind where it fails", async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, "taken"));
    await expect(writeDurable(join(folder.path, "taken"), "x")).rejects.toMatchObject({ code: "EISDIR" });
    await expect(writeDurable(join(folder.path, "no/such"), "x")).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(folder.path)).toEqual(["taken"]);
  });
});

test("syncFolder needs the folder", async () => {
  await using folder = await temporaryFolder();
  await syncFolder(folder.path);
  await expect(syncFolder(join(folder.path, "no"))).rejects.toMatchObject({ code: "ENOENT" });
});

describe("copyDurable", () => {
  test("where there are no hard links the name is taken by an empty file first, and never from somebody", async () => {
    await using folder = await temporaryFolder();
    const refuse = async (): Promise<never> =>
      await Promise.reject(Object.assign(new Error("no links"), { code: "EPERM" }));
    const path = join(folder.path, "copy");
    await copyDurable(Readable.from([Buffer.from("one")]), path, false, noAbort(), refuse);
    expect(await readFile(path, "utf8")).toBe("one");
    const again = copyDurable(Readable.from([Buffer.from("two")]), path, false, noAbort(), refuse);
    await expect(again).rejects.toMatchObject({ code: "target_exists" });
    expect(await readFile(path, "utf8")).toBe("one");
    expect(await readdir(folder.path)).toEqual(["copy"]);
  });

  test("writes the whole stream, for us alone to read", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    const data = Buffer.alloc(3_000_000, "0123456789");
    await copyDurable(Readable.from([data.subarray(0, 7), data.subarray(7)]), path, false, noAbort());
    expect((await readFile(path)).equals(data)).toBe(true);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder.path)).toEqual(["copy"]);
  });

  test("leaves an existing file alone, or replaces it in one step", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    await writeFile(path, "old");
    await expect(copyDurable(Readable.from(["new"]), path, false, noAbort())).rejects.toMatchObject({
      code: "target_exists",
      hint: expect.stringContaining("--overwrite") as string,
    });
    expect(await readFile(path, "utf8")).toBe("old");
    await expect(copyDurable(breaking(new Error("torn")), path, true, noAbort())).rejects.toThrow("torn");
    expect(await readFile(path, "utf8")).toBe("old");
    await copyDurable(Readable.from(["new"]), path, true, noAbort());
    expect(await readFile(path, "utf8")).toBe("new");
    expect(await readdir(folder.path)).toEqual(["copy"]);
  });

  test("a file that appears meanwhile is not overwritten", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    const source = Readable.from(
      (async function* () {
        yield "ours";
        await writeFile(path, "theirs");
      })(),
    );
    await expect(copyDurable(source, path, false, noAbort())).rejects.toMatchObject({
      code: "target_exists",
    });
    expect(await readFile(path, "utf8")).toBe("theirs");
    expect(await readdir(folder.path)).toEqual(["copy"]);
  });

  test("nothing is under the name until all of it is there, and nothing stays where the source breaks", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    let meanwhile: string[] = [];
    const source = Readable.from(
      (async function* () {
        yield Buffer.alloc(100_000);
        meanwhile = await readdir(folder.path);
        throw new Error("torn");
      })(),
    );
    await expect(copyDurable(source, path, false, noAbort())).rejects.toThrow("torn");
    expect(meanwhile.map(isTemporaryName)).toEqual([true]);
    expect(await readdir(folder.path)).toEqual([]);
    expect(source.destroyed).toBe(true);
  });

  test("nothing stays where it is aborted: before, at once, or in the middle", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    const reason = new Error("enough");
    for (let round = 0; round < 20; round++) {
      const before = endless();
      await expect(copyDurable(before, path, false, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(before.destroyed).toBe(true);
      const stop = new AbortController();
      const copying = copyDurable(endless(), path, false, stop.signal);
      stop.abort(reason);
      await expect(copying).rejects.toBe(reason);
      const later = new AbortController();
      let chunks = 0;
      const source = endless(() => {
        chunks += 1;
        if (chunks === 5) later.abort(reason);
      });
      await expect(copyDurable(source, path, false, later.signal)).rejects.toBe(reason);
      expect(source.destroyed).toBe(true);
    }
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("nothing stays where the source was broken already, or the folder is not there", async () => {
    await using folder = await temporaryFolder();
    const broken = endless();
    broken.on("error", () => undefined).destroy(new Error("torn"));
    await expect(copyDurable(broken, join(folder.path, "copy"), false, noAbort())).rejects.toThrow();
    const source = endless();
    await expect(copyDurable(source, join(folder.path, "no/such"), false, noAbort())).rejects.toMatchObject({
      code: "ENOENT",
    });
    expect(source.destroyed).toBe(true);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("a full disk is told as such, and is empty again afterwards", async () => {
    await using folder = await temporaryFolder();
    await run("mount", ["-t", "tmpfs", "-o", "size=1m", "handled-test", folder.path]);
    try {
      const path = join(folder.path, "copy");
      const data = Readable.from([Buffer.alloc(4_000_000)]);
      await expect(copyDurable(data, path, false, noAbort())).rejects.toMatchObject({
        code: "space_missing",
      });
      await expect(writeDurable(path, Buffer.alloc(4_000_000))).rejects.toMatchObject({ code: "ENOSPC" });
      expect(await readdir(folder.path)).toEqual([]);
      await copyDurable(Readable.from([Buffer.alloc(500_000)]), path, false, noAbort());
      expect((await stat(path)).size).toBe(500_000);
    } finally {
      await run("umount", [folder.path]);
    }
  });
});

describe("requireWritable", () => {
  test("agrees where copyDurable would succeed", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    await requireWritable(path, false);
    await writeFile(path, "x");
    await requireWritable(path, true);
    expect(await readdir(folder.path)).toEqual(["copy"]);
  });

  test("says before the work what is in the way", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy");
    await writeFile(path, "x");
    await mkdir(join(folder.path, "folder"));
    const says = async (target: string, overwrite: boolean): Promise<unknown> =>
      await requireWritable(target, overwrite).catch((error: unknown) => error);
    expect(await says(path, false)).toMatchObject({ code: "target_exists" });
    expect(await says(join(folder.path, "folder"), true)).toMatchObject({ code: "usage" });
    expect(await says(join(folder.path, "no/such"), false)).toMatchObject({
      code: "usage",
      hint: expect.stringContaining("mkdir -p") as string,
    });
    expect(await says(join(path, "below a file"), false)).toMatchObject({ code: "usage" });
  });
});
