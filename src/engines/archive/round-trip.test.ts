import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  newestClient,
  HARD_NAMES,
  hardDatabase,
  makeArchive,
  opens,
  readTables,
  type TableContent,
} from "../../../test/support/archives.ts";
import { type FreshDatabase, freshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { isAppError } from "../../errors.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import { loadArchive } from "./load.ts";
import { readBack } from "./read-back.ts";

let source: FreshDatabase;
let before: TableContent[];
let client: PostgresClient;

beforeAll(async () => {
  source = await hardDatabase();
  before = await readTables(source);
  client = await newestClient();
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
  test("a database comes back with every row, whatever its names", async () => {
    const runtime = testRuntime();
    const made = await makeArchive(source.settings, kind);
    expect(made.result.size).toBe(made.bytes.length);
    const archive = { ...kind, client, open: opens(made.bytes) };
    const facts = await readBack(runtime, { ...archive, expected: made.result }, noAbort());
    const found = facts.tables.map(({ schema, name, rows }) => ({ schema, name, rows }));
    expect(found.toSorted(byName)).toEqual(
      before.map(({ schema, name, rows }) => ({ schema, name, rows })).toSorted(byName),
    );
    expect(facts).toMatchObject({ complete: true, refusals: [], extensions: ["pg_trgm"], inserts: 0 });
    await using target = await freshDatabase();
    const { settings } = target;
    const load = await loadArchive(runtime, { ...archive, settings, singleTransaction: false }, noAbort());
    expect(load.leftOut).toEqual([]);
    expect(load.facts.tables).toEqual(facts.tables);
    expect(await readTables(target)).toEqual(before);
    expect(await target.query("select n::int from plain.seen")).toEqual([{ n: 5000 }]);
  });

  test("chosen schemas are exactly those, whatever their names", async () => {
    const [one, two] = [HARD_NAMES[3], HARD_NAMES[5]];
    const made = await makeArchive(source.settings, {
      ...kind,
      schemas: [one, two],
      extensions: ["pg_trgm"],
    });
    const archive = { ...kind, client, open: opens(made.bytes), expected: made.result };
    const facts = await readBack(testRuntime(), archive, noAbort());
    expect(facts.tables.map((table) => table.schema).toSorted()).toEqual([one, two].toSorted());
    expect(facts.extensions).toEqual(["pg_trgm"]);
  });
});

test("each hard name is a pattern for itself alone", async () => {
  for (const name of HARD_NAMES) {
    const made = await makeArchive(source.settings, {
      format: "plain",
      compression: "gzip",
      schemas: [name],
    });
    const archive = {
      format: "plain",
      compression: "gzip",
      client,
      open: opens(made.bytes),
      expected: made.result,
    } as const;
    const facts = await readBack(testRuntime(), archive, noAbort());
    expect(facts.schemas).toEqual([name]);
    expect(facts.tables).toMatchObject([{ schema: name, name, rows: 7 }]);
  }
});

test("a schema that is not there fails the dump", async () => {
  const dump = makeArchive(source.settings, { format: "plain", compression: "gzip", schemas: ["we*"] });
  await expect(dump).rejects.toSatisfy((error) => isAppError(error, "tool_failed"));
});

test("zstd in the custom format needs a client that can", async () => {
  const old = { ...client, version: 150_018 };
  const dump = makeArchive(source.settings, { format: "custom", compression: "zstd", client: old });
  await expect(dump).rejects.toMatchObject({ code: "client_missing", exitCode: 21 });
});

test("progress names the tables and grows", async () => {
  const runtime = testRuntime();
  await makeArchive(
    source.settings,
    { format: "plain", compression: "gzip", totalTables: before.length },
    runtime,
  );
  const tables = runtime.progress.map((progress) => progress.tables ?? 0);
  expect(tables.at(-1)).toBe(before.length);
  expect(tables).toEqual(tables.toSorted((a, b) => a - b));
  expect(runtime.progress.some((progress) => progress.table === "plain.child")).toBe(true);
});

function byName(a: { schema: string; name: string }, b: { schema: string; name: string }): number {
  return a.schema < b.schema ? -1 : a.schema > b.schema ? 1 : a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
