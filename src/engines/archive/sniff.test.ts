import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { compressionOf, customVersion, sniffArchive } from "./sniff.ts";

const HEADER = "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n";

/** In chunks of a few bytes, as a slow network may give them. */
function streamOf(bytes: Buffer | string): Readable {
  const all = Buffer.from(bytes as string);
  const chunks = Array.from({ length: Math.ceil(all.length / 7) }, (_, n) => all.subarray(n * 7, n * 7 + 7));
  return Readable.from(chunks, { objectMode: false });
}

const rows = Array.from({ length: 40_000 }, () => `${Math.random()}\n`).join("");

describe("sniffArchive", () => {
  test.each([
    ["plain text", HEADER, { format: "plain", compression: "none" }],
    ["text with a note above", `-- from prod\n\n${HEADER}${rows}`, { format: "plain", compression: "none" }],
    ["gzip", gzipSync(HEADER + rows), { format: "plain", compression: "gzip" }],
    ["a short gzip", gzipSync(HEADER), { format: "plain", compression: "gzip" }],
    ["zstd", zstdCompressSync(HEADER + rows), { format: "plain", compression: "zstd" }],
    ["a custom archive", "PGDMP\x01\x0e\x00\x04\x08\x01", { format: "custom", compression: "none" }],
    [
      "a packed custom archive",
      gzipSync("PGDMP\x01\x0e\x00\x04\x08\x01"),
      { format: "custom", compression: "gzip" },
    ],
  ])("recognises %s", async (_, bytes, shape) => {
    const stream = streamOf(bytes);
    expect(await sniffArchive(stream, "f")).toEqual(shape);
    expect(stream.destroyed).toBe(true);
  });

  const tar = Buffer.alloc(1024);
  tar.write("toc.dat");
  tar.write("ustar", 257);
  test.each([
    ["a tar archive", tar, /pg_restore/],
    ["a dump of a whole server", "--\n-- PostgreSQL database cluster dump\n--\n", /pg_dumpall|one by one/],
    ["a zip file", "PK\x03\x04rest of it", /unzip/],
    ["a bzip2 file", "BZh91AY&SY", /bunzip2/],
    ["UTF-16 text", Buffer.from(`\ufeff${HEADER}`, "utf16le"), /PowerShell/],
    ["an empty file", "", /pg_dump/],
    ["an empty file", gzipSync(""), /pg_dump/],
    ["a text without", "create table t (a int);\n", /pg_dump/],
    ["a binary file", Buffer.alloc(5000), /pg_dump/],
  ])("refuses %s and says so", async (looksLike, bytes, hint) => {
    await expect(sniffArchive(streamOf(bytes), "/b/file")).rejects.toMatchObject({
      code: "not_an_archive",
      message: expect.stringContaining(`read /b/file: it looks like ${looksLike}`) as string,
      hint: expect.stringMatching(hint) as string,
    });
  });

  test("calls a compressed file that cannot be read damaged", async () => {
    const changed = gzipSync(HEADER);
    changed.fill(0xff, 10, 40);
    await expect(sniffArchive(streamOf(changed), "f")).rejects.toMatchObject({ code: "backup_damaged" });
    const cut = zstdCompressSync(HEADER).subarray(0, 20);
    await expect(sniffArchive(streamOf(cut), "f")).rejects.toMatchObject({ code: "backup_damaged" });
  });

  test("unpacks no more than the top of a bomb", async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from(HEADER), Buffer.alloc(100_000_000, 0x20)]), {
      level: 1,
    });
    let read = 0;
    const counted = function* (): Generator<Buffer> {
      for (let at = 0; at < bomb.length; at += 1000) {
        read += 1000;
        yield bomb.subarray(at, at + 1000);
      }
    };
    const stream = Readable.from(counted(), { objectMode: false });
    expect(await sniffArchive(stream, "f")).toEqual({ format: "plain", compression: "gzip" });
    expect(read).toBeLessThan(bomb.length / 2);
  });
});

test("compressionOf and customVersion go by the first bytes", () => {
  expect(compressionOf(Buffer.from([0x1f, 0x8b, 8]))).toBe("gzip");
  expect(compressionOf(Buffer.from([0x1f]))).toBe("none");
  expect(customVersion(Buffer.from("PGDMP\x01\x10\x00"))).toEqual({ major: 1, minor: 16 });
  expect(customVersion(Buffer.from("PGDM"))).toBeUndefined();
});
