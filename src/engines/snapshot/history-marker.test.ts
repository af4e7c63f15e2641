import { expect, test } from "vitest";
import { freshRole } from "../../../test/support/backed-up.ts";
import { freshDatabase, uniqueName } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { hasMarker, type HistoryMarker, writeMarker } from "./history-marker.ts";

const signal = noAbort();

async function write(session: Session): Promise<HistoryMarker> {
  const marker = await writeMarker(session);
  if (typeof marker === "string") throw new Error(marker);
  return marker;
}

test("a marker is found where it was written, and no other one is", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, signal);
  await using holder = await connect(testRuntime(), database.settings, signal);
  // The snapshot is older than the marker: what counts is what the server knows now.
  await holder.query("begin isolation level repeatable read read only");
  await holder.query("select pg_current_snapshot()");
  const marker = await write(session);
  expect(marker.xids.map(BigInt)).toEqual(marker.xids.map(BigInt).toSorted((a, b) => (a < b ? -1 : 1)));
  expect(await hasMarker(holder, marker)).toBe(true);
  for (const place of [0, 31, 63]) {
    const bits = Array.from(marker.bits, (bit, at) => (at === place ? String(1 - Number(bit)) : bit)).join(
      "",
    );
    expect(await hasMarker(holder, { ...marker, bits })).toBe(false);
  }
  // Not come so far yet, and forgotten long ago.
  const ahead = marker.xids.map((xid) => String(BigInt(xid) + 1_000_000n));
  expect(await hasMarker(holder, { ...marker, xids: ahead })).toBe(false);
  const later = marker.xids.map((xid) => String(BigInt(xid) + 2n ** 32n));
  expect(await hasMarker(holder, { ...marker, xids: later })).toBe(false);
  const special = marker.xids.map(() => "1");
  expect(await hasMarker(holder, { ...marker, xids: special })).toBe(false);
  // The transaction stays usable throughout.
  expect(await hasMarker(holder, marker)).toBe(true);
  await holder.query("commit");
});

test("it takes no privilege but to connect, under whatever settings and role", async () => {
  await using role = await freshRole(uniqueName("lowly"), "login");
  await using other = await freshRole(uniqueName("other"));
  await using database = await freshDatabase();
  await database.query(
    `grant ${other.name} to ${role.name};
     alter role ${role.name} set default_transaction_read_only = on;
     alter role ${role.name} set default_transaction_isolation = serializable;
     alter role ${role.name} set role = ${other.name}`,
  );
  const url = new URL(database.url);
  url.username = role.name;
  const settings = await resolveConnection(testRuntime(), url.href, signal);
  await using session = await connect(testRuntime(), settings, signal);
  const marker = await write(session);
  await session.query("begin isolation level repeatable read read only");
  expect(await hasMarker(session, marker)).toBe(true);
  await session.query("commit");
});

test("a server without PL/pgSQL takes none, and that is said", async () => {
  await using database = await freshDatabase({ sql: "drop extension plpgsql" });
  await using session = await connect(testRuntime(), database.settings, signal);
  expect(await writeMarker(session)).toContain("the server takes no marker");
  // It is usable for what comes next.
  expect(await session.query("select 1 as one")).toEqual([{ one: 1 }]);
});

test("behind a pooler that asks another connection what the first one was told there is no marker", async () => {
  await using database = await freshDatabase();
  await using first = await connect(testRuntime(), database.settings, signal);
  await using second = await connect(testRuntime(), database.settings, signal);
  const query = async <Row extends object>(sql: string): Promise<Row[]> =>
    await (sql.startsWith("do") ? first : second).query<Row>(sql);
  const pooled = new Proxy(first, {
    get: (target, key) => (key === "query" ? query : Reflect.get(target, key)),
  });
  expect(await writeMarker(pooled)).toBe("the server lost the marker");
  // The other connection served an earlier marker: its transactions ended otherwise.
  await write(second);
  const mixed = await write(pooled);
  await second.query("begin");
  expect(await hasMarker(second, mixed)).toBe(false);
  await second.query("commit");
});
