import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clusterUrl, freshDatabase, runSql, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { commentSql, listMarked, type Marker, markSql, parseMarker } from "./marker.ts";
import { resolveConnection } from "./connection.ts";
import { connect, quoteIdentifier } from "./session.ts";

const REPLACED: Marker = {
  program: "handled",
  purpose: "replaced",
  name: "shop",
  at: "2024-12-11T14:30:22.000Z",
  dropAfter: "2024-12-18T14:30:22.000Z",
  by: "20241211T143022Z-beef",
  xid: "4294967299",
  comment: null,
  undone: false,
};
const RESTORING: Marker = {
  program: "handled",
  purpose: "restoring",
  target: "shop",
  holder: { host: "db1", pid: 7 },
  startedAt: "2024-12-11T14:30:22.000Z",
};

describe("parseMarker", () => {
  test("reads what was written", () => {
    for (const marker of [REPLACED, RESTORING]) expect(parseMarker(JSON.stringify(marker))).toEqual(marker);
  });

  test.each([
    ["no comment", null],
    ["an empty one", ""],
    ["words", "the live database"],
    ["a brace", "{ live }"],
    ["other JSON", '{"a":1}'],
    ["a list", '["handled"]'],
    ["another program's", JSON.stringify({ ...REPLACED, program: "other" })],
    ["another purpose", JSON.stringify({ ...REPLACED, purpose: "kept" })],
    ["a field more", JSON.stringify({ ...REPLACED, more: 1 })],
    ["a field less", JSON.stringify({ ...REPLACED, xid: undefined })],
    ["no time", JSON.stringify({ ...REPLACED, dropAfter: "next week" })],
    ["cut short", JSON.stringify(REPLACED).slice(0, -1)],
    ["quoted within another", JSON.stringify({ ...REPLACED, name: 3 })],
  ])("takes %s for none of ours", (_, comment) => {
    expect(parseMarker(comment)).toBeNull();
  });
});

test("listMarked finds the marked databases and no other", async () => {
  await using replaced = await freshDatabase({ name: uniqueName('a "b" ') });
  await using restoring = await freshDatabase({ name: uniqueName("é'x ") });
  await using other = await freshDatabase();
  await runSql(clusterUrl(), markSql(replaced.name, REPLACED));
  await runSql(clusterUrl(), markSql(restoring.name, RESTORING));
  await runSql(clusterUrl(), commentSql(other.name, "{ not ours }"));
  await using session = await connect(testRuntime(), other.settings, noAbort());
  const ours = (await listMarked(session)).filter(({ database }) =>
    [replaced.name, restoring.name, other.name].includes(database),
  );
  expect(ours).toEqual([
    { database: replaced.name, marker: REPLACED, bytes: expect.any(Number) as number },
    { database: restoring.name, marker: RESTORING, bytes: expect.any(Number) as number },
  ]);
  expect(ours[0]?.bytes).toBeGreaterThan(1_000_000);
  await runSql(clusterUrl(), commentSql(replaced.name, null));
  expect((await listMarked(session)).map(({ database }) => database)).not.toContain(replaced.name);
});

test("who may not connect to a marked database still sees it, without its size", async () => {
  const user = uniqueName("stranger");
  await using marked = await freshDatabase();
  await runSql(
    clusterUrl(),
    `create role ${user} login; revoke all on database ${quoteIdentifier(marked.name)} from public;
     ${markSql(marked.name, REPLACED)}`,
  );
  try {
    const runtime = testRuntime();
    const url = new URL(clusterUrl());
    url.username = user;
    await using session = await connect(
      runtime,
      await resolveConnection(runtime, url.href, noAbort()),
      noAbort(),
    );
    expect((await listMarked(session)).filter(({ database }) => database === marked.name)).toEqual([
      { database: marked.name, marker: REPLACED, bytes: null },
    ]);
  } finally {
    await runSql(clusterUrl(), `drop role ${user}`);
  }
});

test("a database's own comment comes back from its marker as it was, whatever it says", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, noAbort());
  const text = fc
    .oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }),
      fc.string({ unit: fc.constantFrom("'", '"', "\\", "{", "}", "\n", "$", "é", "\u0001"), maxLength: 20 }),
      fc.constant(JSON.stringify(REPLACED)),
    )
    // The server takes an empty comment for none.
    .filter((value) => value !== "" && !value.includes("\0") && value.isWellFormed());
  const read = async (): Promise<string | null> => {
    const [row] = await session.query<{ comment: string | null }>(
      "select shobj_description(oid, 'pg_database') as comment from pg_database where datname = $1",
      [database.name],
    );
    return row?.comment ?? null;
  };
  await fc.assert(
    fc.asyncProperty(text, async (comment) => {
      await session.query(commentSql(database.name, comment));
      expect(await read()).toBe(comment);
      await session.query(markSql(database.name, { ...REPLACED, comment }));
      expect(parseMarker(await read())).toEqual({ ...REPLACED, comment });
    }),
    { numRuns: 100 },
  );
});
