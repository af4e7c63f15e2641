import fc from "fast-check";
import { expect, test } from "vitest";
import { MissingRowsJson } from "../src/json/missing-rows.ts";
import { connect } from "../src/postgres/session.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { type BackedUp, backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { clusterUrl, runSql, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const ROWS = 2100;

// One row a page, and room for a second version of it: four ranges with little to store.
const SQL = `
  create table t (id int primary key, note text) with (fillfactor = 10, autovacuum_enabled = off);
  alter table t alter note set storage plain;
  insert into t select g, repeat('x', 760) || g from generate_series(1, ${ROWS}) g;
`;

type Change = readonly [what: string, from: number, length: number];

const change: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom(
    "delete",
    "delete",
    "update",
    "move",
    "insert",
    "again",
    "swap",
    "rollback",
    "vacuum",
    "rewrite",
  ),
  fc.integer({ min: 1, max: ROWS }),
  fc.oneof(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 25 })),
);

function statement([what, from, length]: Change): string {
  const range = `id between ${from} and ${from + length}`;
  switch (what) {
    case "update":
      return `update t set note = note || '!' where ${range}`;
    case "move":
      // Another key, and the old one is missing.
      return `update t set id = id + 100000 where ${range} and not exists (select from t o where o.id = t.id + 100000)`;
    case "insert":
      return `insert into t select g + 200000, 'new' from generate_series(${from}, ${from + length}) g on conflict do nothing`;
    case "again":
      return `with gone as (delete from t where ${range} returning *) select from gone; insert into t select id, note from kept.t where ${range} on conflict do nothing`;
    case "swap":
      return `delete from t where ${range}; insert into t select g, 'other' from generate_series(${from}, ${from + length}, 2) g on conflict do nothing`;
    case "rollback":
      return `begin; delete from t where ${range}; rollback`;
    case "vacuum":
      return "vacuum t";
    case "rewrite":
      return length === 0 ? "vacuum full t" : "vacuum (freeze) t";
    default:
      return `delete from t where ${range}`;
  }
}

async function missing(subject: BackedUp, url: string, ...args: string[]): Promise<MissingRowsJson> {
  const place = ["--url", url, "--repository", subject.repository, "--yes", "--json"];
  const all = ["restore", subject.name, "latest", "--missing-rows", "--table", "public.t", ...place, ...args];
  const result = await runCli(all, { cwd: subject.scratch });
  expect(result.code, result.stderr).toBe(0);
  return MissingRowsJson.parse(jsonOf(result));
}

test("whatever is done to a table, the filter finds the rows that reading everything finds, and the model", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  const { live } = subject;
  // Of a snapshot that another role took nothing is known by its tuples.
  const other = uniqueName("other");
  await runSql(clusterUrl(), `create role ${other} superuser login`);
  const others = new URL(live.url);
  others.username = other;
  let filtered = 0;
  try {
    await live.query("create schema kept; create table kept.t as select * from t");
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        for (const one of changes)
          for (const sql of statement(one).split("; ")) await runEach(live.url, sql, one);
        const [expected] = await live.query<{ n: number }>(
          "select count(*)::int as n from kept.t k where not exists (select from t where t.id = k.id)",
        );
        const full = await missing(subject, others.href, "--dry-run");
        expect(full.tables[0]?.parts.fullRead).toContain("it was read by");
        expect(full.tables[0]?.missing.rows).toBe(expected?.n);
        await live.query("drop table if exists kept.before; create table kept.before as select * from t");
        const done = await missing(subject, live.url, "--undo-file", `undo-${(round += 1)}.sql`);
        expect(done.inserted).toBe(expected?.n);
        expect(done.tables[0]?.missing).toEqual(full.tables[0]?.missing);
        const [table] = done.tables;
        if (table?.parts.fullRead === null && table.parts.read < table.parts.ranges) filtered += 1;
        // What was there is as it was, and what came back is as in the backup.
        expect(
          await live.query(`(table t except (table kept.before union
             select * from kept.t k where not exists (select from kept.before b where b.id = k.id)))
             union all (table kept.before except table t) limit 1`),
        ).toEqual([]);
        // What came back is young: of the same backup its ranges would be read from now on, whatever is in them.
        await freshBackup(subject);
      }),
      { numRuns: 6, endOnFailure: true },
    );
    expect(filtered).toBeGreaterThan(0);
  } finally {
    await runSql(clusterUrl(), `drop role ${other}`);
  }
});

async function freshBackup(subject: BackedUp): Promise<void> {
  await subject.backup("--kind", "snapshot");
  await subject.live.query("drop table kept.t; create table kept.t as select * from t");
}

/** Some of it cannot be: a row of that key may be there. Then nothing was done, which is a change like any other. */
async function runEach(url: string, sql: string, what: Change): Promise<void> {
  if (what[0] === "rollback") {
    if (sql === "begin") await runSql(url, statement(what));
    return;
  }
  await runSql(url, sql);
}

test("killed in the middle of the insert, the table is as it was", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  const { live } = subject;
  await live.query(`delete from t where id < 20;
    create function wait() returns trigger language plpgsql as $$
      begin if new.id = 10 then perform pg_advisory_xact_lock(4711); end if; return new; end $$;
    create trigger wait before insert on t for each row execute function wait()`);
  const settings = await resolveConnection(testRuntime(), live.url, noAbort());
  await using holder = await connect(testRuntime(), settings, noAbort());
  await holder.query("select pg_catalog.pg_advisory_lock(4711)");
  const place = ["--url", live.url, "--repository", subject.repository, "--yes"];
  const running = spawnCli(
    ["restore", subject.name, "latest", "--missing-rows", "--table", "public.t", ...place],
    {
      cwd: subject.scratch,
    },
  );
  const waiting = async (): Promise<number> => {
    const [row] = await live.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where datname = current_database() and query ilike 'insert into%'",
    );
    return row?.n ?? 0;
  };
  await expect.poll(waiting).toBe(1);
  process.kill(running.pid, "SIGKILL");
  await running.result;
  await holder.query("select pg_catalog.pg_advisory_unlock(4711)");
  await expect.poll(waiting).toBe(0);
  expect(await live.query("select count(*)::int as n from t where id < 20")).toEqual([{ n: 0 }]);
  // And it can be done again.
  expect((await missing(subject, live.url)).inserted).toBe(19);
});
