import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newestClient, makeArchive, type MadeArchive, opens } from "../../../test/support/archives.ts";
import { freshCluster, type FreshDatabase, freshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { runForText } from "../../lib/process.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { resolveConnection, toolEnvironment } from "../../postgres/connection.ts";
import { type ReadBackRequest, readBack } from "./read-back.ts";

let source: FreshDatabase;
let client: PostgresClient;

beforeAll(async () => {
  client = await newestClient();
  source = await freshDatabase({
    sql: `create table t (id int primary key, word text);
      insert into t select n, md5(n::text) from generate_series(1, 300) n;
      create table u (a text);`,
  });
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
});

const kinds = [
  { format: "plain", compression: "gzip" },
  { format: "plain", compression: "zstd" },
  { format: "custom", compression: "gzip" },
] as const;

describe.each(kinds)("$format $compression", (kind) => {
  let made: MadeArchive;
  beforeAll(async () => {
    made = await makeArchive(source.settings, kind);
  });
  const check = (bytes: Buffer, expected: ReadBackRequest["expected"]): ReturnType<typeof readBack> =>
    readBack(testRuntime(), { ...kind, client, open: opens(bytes), expected }, noAbort());

  test("any cut is found, also when nobody knows what was written", async () => {
    const lengths = fc.nat({ max: made.bytes.length - 1 });
    await fc.assert(
      fc.asyncProperty(lengths, async (length) => {
        const cut = check(made.bytes.subarray(0, length), undefined);
        await expect(cut).rejects.toMatchObject({ code: "backup_damaged", exitCode: 13 });
      }),
      {
        numRuns: 40,
        examples: [0, 1, 5, 20].flatMap((n) => [[n], [made.bytes.length - 1 - n]]) as [number][],
      },
    );
  });

  test("any changed bit is found where the hash is known", async () => {
    const place = fc.tuple(fc.nat({ max: made.bytes.length - 1 }), fc.nat({ max: 7 }));
    await fc.assert(
      fc.asyncProperty(place, async ([at, bit]) => {
        const changed = Buffer.from(made.bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        await expect(check(changed, made.result)).rejects.toMatchObject({ code: "backup_damaged" });
      }),
      { numRuns: 40, examples: Array.from({ length: 16 }, (_, at) => [[at, 1]]) as [[number, number]][] },
    );
  });

  test("bytes behind the end are found where the size is known", async () => {
    const longer = Buffer.concat([made.bytes, Buffer.alloc(100_000)]);
    await expect(check(longer, made.result)).rejects.toMatchObject({ code: "backup_damaged" });
  });

  test("a failure of the storage is told as such", async () => {
    const open = async (): ReturnType<ReturnType<typeof opens>> => {
      const stream = await opens(made.bytes, 1000)();
      let given = 0;
      const cut = stream.map((chunk: Buffer) => {
        given += chunk.length;
        if (given > 3000) throw new Error("the disk cannot be read");
        return chunk;
      });
      return cut;
    };
    const reading = readBack(testRuntime(), { ...kind, client, open, expected: undefined }, noAbort());
    await expect(reading).rejects.toThrow("the disk cannot be read");
  });
});

describe("foreign archives", () => {
  const dumped = (...args: string[]): Promise<string> => {
    const call = {
      program: clientProgram(client, "pg_dump"),
      args,
      env: toolEnvironment(testRuntime(), source.settings),
    };
    return runForText(testRuntime(), call, noAbort());
  };
  const check = (
    bytes: Buffer | string,
    shape: { compression?: "gzip" | "zstd" | "none"; format?: "plain" | "custom" } = {},
  ) =>
    readBack(
      testRuntime(),
      {
        format: "plain",
        compression: "none",
        ...shape,
        client,
        open: opens(Buffer.from(bytes as string)),
        expected: undefined,
      },
      noAbort(),
    );

  test("are counted however they were made and packed", async () => {
    const text = await dumped();
    const rows = [
      { schema: "public", name: "t", rows: 300 },
      { schema: "public", name: "u", rows: 0 },
    ];
    expect(await check(text)).toMatchObject({ tables: rows, restricted: true });
    expect(await check(gzipSync(text), { compression: "gzip" })).toMatchObject({ tables: rows });
    const half = Math.floor(text.length / 2);
    const members = [text.slice(0, half), text.slice(half)];
    expect(
      await check(Buffer.concat(members.map((part) => gzipSync(part))), { compression: "gzip" }),
    ).toMatchObject({ tables: rows });
    expect(
      await check(Buffer.concat(members.map((part) => zstdCompressSync(part))), { compression: "zstd" }),
    ).toMatchObject({ tables: rows });
    const { bytes } = await makeArchive(source.settings, { format: "custom", compression: "gzip" });
    expect(await check(gzipSync(bytes), { format: "custom", compression: "gzip" })).toMatchObject({
      tables: rows,
    });
    expect(await check(await dumped("--inserts"))).toMatchObject({ tables: [], inserts: 300 });
  });

  test("that would write into other databases are refused", async () => {
    await expect(check(await dumped("--create"))).rejects.toMatchObject({
      code: "not_an_archive",
      exitCode: 13,
      message: expect.stringContaining("\\connect") as string,
    });
    // A cluster of its own: pg_dumpall stumbles over databases that other tests drop meanwhile.
    await using cluster = await freshCluster();
    const settings = await resolveConnection(testRuntime(), cluster.url(), noAbort());
    const call = {
      program: clientProgram(client, "pg_dumpall"),
      args: [],
      env: toolEnvironment(testRuntime(), settings),
    };
    const everything = await runForText(testRuntime(), call, noAbort());
    await expect(check(everything)).rejects.toMatchObject({ code: "not_an_archive" });
  });

  test("that were cut off are found by the missing end", async () => {
    const text = await dumped();
    const end = text.indexOf("-- PostgreSQL database dump complete");
    await expect(check(text.slice(0, end))).rejects.toMatchObject({
      code: "backup_damaged",
      message: expect.stringContaining("its end is missing") as string,
    });
  });

  test("written for a newer pg_restore name the client to install", async () => {
    const { bytes } = await makeArchive(source.settings, { format: "custom", compression: "gzip" });
    const newer = Buffer.from(bytes);
    newer[6] = 99;
    await expect(check(newer, { format: "custom" })).rejects.toMatchObject({ code: "client_missing" });
  });

  test("with fewer tables than they announce are damaged", async () => {
    const { bytes } = await makeArchive(source.settings, { format: "custom", compression: "gzip" });
    const changed = Buffer.from(bytes);
    // The table of contents is not compressed. Both tables' rows now go by one name.
    changed.write("public.t", bytes.indexOf("COPY public.u (a)") + "COPY ".length);
    await expect(check(changed, { format: "custom" })).rejects.toMatchObject({
      code: "backup_damaged",
      message: expect.stringContaining("announces 2 tables") as string,
    });
  });
});

test("an abort ends the reading with its reason", async () => {
  const controller = new AbortController();
  const made = await makeArchive(source.settings, { format: "custom", compression: "gzip" });
  const reason = new Error("enough");
  const open = async (): ReturnType<ReturnType<typeof opens>> => {
    const stream = await opens(made.bytes, 100)();
    return stream.map((chunk: Buffer) => {
      controller.abort(reason);
      return chunk;
    });
  };
  const request = { format: "custom", compression: "gzip", client, open, expected: made.result } as const;
  await expect(readBack(testRuntime(), request, controller.signal)).rejects.toBe(reason);
});
