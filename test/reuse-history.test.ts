import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { forge } from "./reuse/forge.ts";
import { type Laboratory, lineOf, openLaboratory, type Taken } from "./reuse/laboratory.ts";
import { burn, burnUntil, nextXid, type Server, startOwn, startStandby, until } from "./reuse/servers.ts";
import { runSql, temporaryFolder } from "./support/postgres.ts";

// Guard G1: the server's history leads from the earlier snapshot to this one. What is lost is a row that the earlier
// snapshot saw; another one takes its place, with the same transaction id, so that no tuple tells the difference.

const ROWS = "create table t as select g as a, 'x' as b from generate_series(1, 3) g";
const place = "select ctid::text, xmin::text from t where a = 4";

/** Two repositories with the same snapshot in them: one run will have the guard, the other will not. */
interface Pair extends AsyncDisposable {
  readonly guarded: Laboratory;
  readonly unguarded: Laboratory;
}

async function openPair(): Promise<Pair> {
  const guarded = await openLaboratory();
  const unguarded = await openLaboratory();
  return {
    guarded,
    unguarded,
    [Symbol.asyncDispose]: async () => {
      await guarded[Symbol.asyncDispose]();
      await unguarded[Symbol.asyncDispose]();
    },
  };
}

interface Lost {
  readonly xid: bigint;
  readonly place: unknown;
  /** Without the guard. */
  readonly before: Taken;
}

/** Adds the row that will be lost, and takes snapshots that see it. */
async function addLost(server: Server, { guarded, unguarded }: Pair): Promise<Lost> {
  const xid = await nextXid(server);
  await server.query("insert into t values (4, 'lost')");
  const lost = { xid, place: await server.query(place) };
  const before = await unguarded.take(server.url);
  await guarded.take(server.url);
  return { ...lost, before };
}

/** In the history without that row: puts another in its place, and takes snapshots with and without the guard. */
async function expectGuarded(server: Server, pair: Pair, lost: Lost): Promise<void> {
  expect(await server.query("select from t where a = 4")).toEqual([]);
  await burnUntil(server, lost.xid);
  await server.query("insert into t values (4, 'kept')");
  expect(await server.query(place)).toEqual(lost.place);
  // Beyond all that the lost history had: transaction ids alone show nothing.
  await burn(server, 300);
  const on = await pair.guarded.take(server.url);
  expect(on).toMatchObject({
    code: 0,
    index: { snapshot: { parts: { read: 1, reused: 0 }, baseline: { generation: 1 } } },
  });
  expect(on.index.snapshot.fullRead).toContain("the server's history is not the one it was taken in");
  const { baseline } = on.index.snapshot;
  if (baseline === null) throw new Error("there is nothing to build on");
  // Without the guard: the marker of the history that is. The other facts of the server say nothing.
  await forge(pair.unguarded.repository, lost.before.index, {
    baseline: (old) => ({ ...old, marker: baseline.marker }),
  });
  const off = await pair.unguarded.take(server.url);
  expect(off).toMatchObject({ code: 3, index: { snapshot: { sample: { differing: 1 } } } });
  // The history goes on from here.
  const next = await pair.guarded.take(server.url);
  expect(next.index.snapshot).toMatchObject({ parts: { read: 0, reused: 1 }, fullRead: null });
}

describe("a history that was rewound forces a full read", () => {
  test("a crash that lost commits", async () => {
    await using server = await startOwn({ synchronous_commit: "off", wal_writer_delay: "10s" });
    await server.query(ROWS);
    await using pair = await openPair();
    // It comes to be beside whoever connects.
    await until(server, "exists (select from pg_stat_activity where backend_type = 'walwriter')");
    const [writer] = await server.query<{ pid: number }>(
      "select pid from pg_stat_activity where backend_type = 'walwriter'",
    );
    if (writer === undefined) throw new Error("there is no log writer");
    await server.query("checkpoint");
    // What is committed stays in memory until the server crashes, for the one who would write it down stands still.
    process.kill(writer.pid, "SIGSTOP");
    const lost = await addLost(server, pair);
    // A child that was killed makes the server throw away its memory and recover from its log.
    process.kill(writer.pid, "SIGKILL");
    await until(server, "not exists (select from t where a = 4)");
    await expectGuarded(server, pair, lost);
  });

  test("a data folder that was copied back", async () => {
    await using folder = await temporaryFolder();
    await using server = await startOwn();
    await server.query(ROWS);
    const copy = join(folder.path, "copy");
    await server.stop();
    await server.save(copy);
    await server.start();
    await using pair = await openPair();
    await using early = await openLaboratory();
    const lost = await addLost(server, pair);
    await early.take(server.url);
    await server.stop();
    await server.putBack(copy);
    await server.start();
    // At once, while the ids themselves are smaller than they were.
    const { index } = await early.take(server.url);
    expect(index.snapshot.parts).toEqual({ read: 1, reused: 0 });
    expect(index.snapshot.fullRead).toContain("the server's transaction ids went back");
    await server.stop();
    await server.putBack(copy);
    await server.start();
    await expectGuarded(server, pair, lost);
  });

  test("point-in-time recovery in place", async () => {
    await using folder = await temporaryFolder();
    const archive = "archive";
    await using server = await startOwn({
      archive_mode: "on",
      archive_command: `mkdir -p ../${archive} && cp %p ../${archive}/%f`,
    });
    await server.query(ROWS);
    const copy = join(folder.path, "copy");
    await server.stop();
    await server.save(copy);
    await server.start();
    await using pair = await openPair();
    const [target] = await server.query<{ xid: string }>(
      "with gone as (delete from t where a = 1 returning 1) select pg_current_xact_id()::text as xid from gone",
    );
    const lost = await addLost(server, pair);
    const [last] = await server.query<{ file: string }>("select pg_walfile_name(pg_switch_wal()) as file");
    await until(server, `(select last_archived_wal >= '${last?.file}' from pg_stat_archiver)`);
    await server.stop();
    await server.putBack(copy);
    await server.write("recovery.signal", "");
    await server.start({
      restore_command: `cp ../${archive}/%f %p`,
      recovery_target_xid: target?.xid ?? "",
      recovery_target_action: "promote",
    });
    await until(server, "not pg_is_in_recovery()");
    await expectGuarded(server, pair, lost);
  });

  test("a standby that was promoted before it had everything", async () => {
    await using folder = await temporaryFolder();
    await using primary = await startOwn();
    await primary.query(ROWS);
    const copy = join(folder.path, "copy");
    await primary.stop();
    await primary.save(copy);
    await primary.start();
    await using standby = await startStandby(copy, primary);
    await until(standby, "(select status = 'streaming' from pg_stat_wal_receiver)");
    await standby.query("alter system set primary_conninfo = ''");
    await standby.query("select pg_reload_conf()");
    await until(standby, "not exists (select from pg_stat_wal_receiver)");
    await using pair = await openPair();
    const lost = await addLost(primary, pair);
    await primary.stop("immediate");
    await standby.query("select pg_promote()");
    await expectGuarded(standby, pair, lost);
  });
});

test("a standby that has everything: read from while it follows, and built on when it takes over", async () => {
  await using folder = await temporaryFolder();
  await using primary = await startOwn();
  await primary.query(ROWS);
  const copy = join(folder.path, "copy");
  await primary.stop();
  await primary.save(copy);
  await primary.start();
  await using standby = await startStandby(copy, primary);
  await using pair = await openPair();
  await using other = await openLaboratory();
  const lost = await addLost(primary, pair);
  const [end] = await primary.query<{ lsn: string }>("select pg_current_wal_flush_lsn()::text as lsn");
  await until(standby, `pg_last_wal_replay_lsn() >= '${end?.lsn}'::pg_lsn`);

  // Nothing may be written on it, so nothing can tell its history from another one later.
  const alone = await other.take(standby.url);
  expect(alone).toMatchObject({ code: 0, index: { snapshot: { parts: { read: 1 }, baseline: null } } });
  expect(alone.stderr).toContain("the next snapshot will read everything: the server takes no marker");
  const again = await other.take(standby.url);
  expect(again.index.snapshot).toMatchObject({ parts: { read: 1, reused: 0 } });
  expect(again.index.snapshot.fullRead).toBe(`nothing of ${alone.index.id} may be reused`);
  // But what the primary marked it has too.
  const built = await pair.unguarded.take(standby.url);
  expect(built.index.snapshot).toMatchObject({
    parts: { read: 0, reused: 1 },
    fullRead: null,
    baseline: null,
  });

  await primary.stop();
  await standby.query("select pg_promote()");
  const after = await pair.guarded.take(standby.url);
  expect(after.index.server.timeline).toBe((lost.before.index.server.timeline ?? 0) + 1);
  expect(after.index.snapshot).toMatchObject({ parts: { read: 0, reused: 1 }, fullRead: null });
  expect(after.index.snapshot.baseline).not.toBeNull();
});

describe("G7: transaction ids of 32 bits", () => {
  test("a row of long ago and a new one have the same id, in the same place", async () => {
    await using server = await startOwn();
    await server.query(ROWS);
    await burn(server, 400);
    const old = await nextXid(server);
    await server.query("insert into t values (4, 'old')");
    await server.query("alter database template0 allow_connections true");
    for (const database of ["template0", "template1", "postgres"])
      await runSql(server.url.replace(/[^/]+$/, database), "vacuum freeze");
    await server.stop();
    // As if all ids had been used once: the next one is a little before that of the row.
    const low = String(old - 390n);
    await server.tool(
      "pg_resetwal",
      "--epoch",
      "1",
      "--next-transaction-id",
      low,
      "--oldest-transaction-id",
      low,
    );
    await server.start();
    await using pair = await openPair();
    await pair.unguarded.take(server.url);
    await pair.guarded.take(server.url);
    const before = await pair.unguarded.take(server.url);
    await pair.guarded.take(server.url);
    expect(lineOf(before, "t").reused.parts).toBe(1);
    const was = await server.query(place);
    await server.query("delete from t where a = 4");
    await server.query("vacuum t");
    await burnUntil(server, old + 2n ** 32n);
    await server.query("insert into t values (4, 'new')");
    expect(await server.query(place)).toEqual(was);

    const on = await pair.guarded.take(server.url);
    expect(on.index.snapshot).toMatchObject({ parts: { read: 1, reused: 0 }, fullRead: null });
    // Without the bound nothing but count and hash is left, and both are the same.
    await forge(pair.unguarded.repository, before.index, {
      baseline: (baseline) => ({ ...baseline, xmin: on.index.snapshot.baseline?.xmin ?? "" }),
    });
    const off = await pair.unguarded.take(server.url);
    expect(off).toMatchObject({ code: 3, index: { snapshot: { sample: { differing: 1 } } } });
  });

  test("ages say nothing after so many transactions", async () => {
    await using server = await startOwn();
    await server.query(ROWS);
    await using lab = await openLaboratory();
    await lab.take(server.url);
    const far = (await nextXid(server)) + 2n ** 30n + 1000n;
    await server.stop();
    // A segment of the commit log has 2^20 transactions, 2 bits each.
    const segment = (far >> 20n).toString(16).toUpperCase().padStart(4, "0");
    await server.write(`pg_xact/${segment}`, "\0".repeat(2 ** 18));
    const ids = ["--next-transaction-id", String(far), "--oldest-transaction-id", "700"];
    await server.tool("pg_resetwal", ...ids);
    await server.start();
    const taken = await lab.take(server.url);
    expect(taken.index.snapshot.parts).toEqual({ read: 1, reused: 0 });
    expect(taken.index.snapshot.fullRead).toContain("more than a thousand million transactions");
  });
});
