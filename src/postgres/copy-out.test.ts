import fc from "fast-check";
import { expect, test } from "vitest";
import { freshDatabase } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { HeadStripper } from "./copy-out.ts";
import { connect } from "./session.ts";

const message = (type: string, body: Uint8Array): Buffer => {
  const head = Buffer.alloc(5, type, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};

test("the text of all rows is found and the rest left whole, however the messages are cut", () => {
  const body = fc.uint8Array({ maxLength: 40 });
  const row = fc.record({ type: fc.constant("d"), body });
  const other = fc.record({ type: fc.constantFrom("H", "N", "S", "A"), body });
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 4, arbitrary: row }, other), { maxLength: 30 }),
      fc.record({ type: fc.constantFrom("c", "E", "C", "Z"), body }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 400 }),
      (messages, last, sizes) => {
        const end = message(last.type, last.body);
        const stream = Buffer.concat([...messages.map((one) => message(one.type, one.body)), end]);
        const text: Buffer[] = [];
        let rest: Buffer | undefined;
        const stripper = new HeadStripper();
        let at = 0;
        for (let cut = 0; at < stream.length && rest === undefined; cut++) {
          const size = sizes[cut % sizes.length] ?? 1;
          const read = stripper.read(Buffer.from(stream.subarray(at, at + size)));
          text.push(read.text);
          rest = read.rest;
          at += size;
        }
        const rows = messages.filter((one) => one.type === "d").map((one) => one.body);
        expect(Buffer.concat(text)).toEqual(Buffer.concat(rows));
        const given = Buffer.concat([rest ?? Buffer.alloc(0), stream.subarray(at)]);
        expect(given.equals(end)).toBe(true);
      },
    ),
  );
});

test("rows of every length are read, waiting for the receiver, and the next statement finds its answer", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, noAbort());
  const sql =
    "select repeat('x', length) from generate_series(0, 3000) length union all select repeat('y', 3000000)";
  const chunks: Buffer[] = [];
  await session.copyOut(`copy (${sql}) to stdout`, async (chunk) => {
    await new Promise((resolve) => setImmediate(resolve));
    // Only now: until we are done nobody else may use its memory.
    chunks.push(Buffer.from(chunk));
  });
  const rows = Array.from({ length: 3001 }, (_, length) => "x".repeat(length));
  const text = `${[...rows, "y".repeat(3_000_000)].join("\n")}\n`;
  expect(Buffer.concat(chunks).toString("latin1") === text).toBe(true);
  expect(await session.query("select 1 as one")).toEqual([{ one: 1 }]);
  await session.copyOut("copy (select where false) to stdout", () => expect.unreachable());
  expect(await session.query("select 2 as two")).toEqual([{ two: 2 }]);
});

test("what the server says meanwhile is passed over, and an error amid the rows is the statement's", async () => {
  await using database = await freshDatabase({
    sql: `create function noisy(n int) returns int language plpgsql as
            $$ begin raise notice 'row %', n; return 1000 / (n - 2000); end $$`,
  });
  await using session = await connect(testRuntime(), database.settings, noAbort());
  let bytes = 0;
  const copying = session.copyOut(
    "copy (select public.noisy(g) from generate_series(1, 3000) g) to stdout",
    (chunk) => {
      bytes += chunk.length;
    },
  );
  await expect(copying).rejects.toMatchObject({ code: "query_failed", details: { sqlState: "22012" } });
  expect(bytes).toBeGreaterThan(0);
  const refused = session.copyOut("copy public.nowhere to stdout", () => expect.unreachable());
  await expect(refused).rejects.toMatchObject({ code: "query_failed", details: { sqlState: "42P01" } });
  expect(await session.query("select 3 as three")).toEqual([{ three: 3 }]);
});

test.each(["at once", "later"])(
  "what the receiver throws %s is thrown, and the server stops",
  async (when) => {
    await using database = await freshDatabase();
    await using session = await connect(testRuntime(), database.settings, noAbort());
    const full = new Error("no room");
    const copying = session.copyOut("copy (select * from generate_series(1, 10000000)) to stdout", () => {
      if (when === "at once") throw full;
      return Promise.reject(full);
    });
    await expect(copying).rejects.toMatchObject({ cause: full });
    await expect(session.query("select 1")).rejects.toMatchObject({ code: "database_unreachable" });
  },
);
