import { expect, test } from "vitest";
import { compareContent } from "../src/operations/verify/content.ts";
import { type Findings, noFindings } from "../src/operations/verify/findings.ts";
import { checkSnapshot } from "../src/operations/verify/integrity.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { readIndex } from "../src/repository/manifests.ts";
import { type BackedUp, backedUp, expectedDatabase } from "./support/backed-up.ts";
import { runCli } from "./support/cli.ts";
import { readManifest } from "./support/rewrite-manifest.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const signal = noAbort();

// A check on varchar is worded otherwise by a database that was made from its wording, and a child's columns move.
const SQL = `
  create schema shop;
  create table shop.orders (id int primary key, status varchar(10) check (status in ('new', 'done')), note text);
  create index orders_note on shop.orders (note) where status in ('new', 'done');
  insert into shop.orders select g, 'new', 'note ' || g from generate_series(1, 5000) g;
  create table shop.base (a int); create table shop.child (x int, a int); alter table shop.child inherit shop.base;
  insert into shop.child values (1, 2);
  create table shop.twice (v text); insert into shop.twice values ('a'), ('a'), ('b');
  create sequence shop.tickets; select setval('shop.tickets', 41);
  create type shop.mood as enum ('sad', 'ok', 'happy');
  create table shop.felt (mood shop.mood, n int) partition by hash (mood);
  create table shop.felt_0 partition of shop.felt for values with (modulus 2, remainder 0);
  create table shop.felt_1 partition of shop.felt for values with (modulus 2, remainder 1);
  insert into shop.felt select (array['sad', 'ok', 'happy']::shop.mood[])[1 + g % 3], g from generate_series(1, 30) g;
`;

async function restored(subject: BackedUp, name: string) {
  const made = expectedDatabase(name);
  const place = ["--url", subject.live.url, "--repository", subject.repository];
  const result = await runCli(["restore", subject.name, "--new-database", name, ...place]);
  expect(result.code, result.stderr).toBe(0);
  return made;
}

/** Compares a database with the snapshot, which `alone` has the definitions of. */
async function compare(subject: BackedUp, url: string, alone: string): Promise<Findings> {
  const runtime = testRuntime();
  const { repository, backup, tables, content } = await readManifest(subject);
  const index = await readIndex(repository, subject.name, backup, signal);
  if (index.kind !== "snapshot") throw new Error("no snapshot");
  const headers = await checkSnapshot(runtime, { repository, index }, 0, noFindings(), signal);
  const findings = noFindings();
  const request = {
    index,
    tables,
    content,
    headers: headers ?? new Map(),
    restored: await resolveConnection(runtime, url, signal),
    threads: 2,
    withDefinitionsAlone: async <T>(
      use: (settings: Awaited<ReturnType<typeof resolveConnection>>) => Promise<T>,
    ) => await use(await resolveConnection(runtime, alone, signal)),
  };
  await compareContent(runtime, request, findings, signal);
  return findings;
}

const reasons = ({ problems }: Findings): string[] =>
  problems.map(
    ({ object, table, reason }) => `${object} ${table ?? ""}: ${reason.replace(/digest .*/, "…")}`,
  );

test("every kind of difference is found and named, and nothing else", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  await using sound = await restored(subject, `${subject.live.name}_sound`);
  const equal = await compare(subject, sound.url, sound.url);
  expect(equal.problems).toEqual([]);
  expect(equal.contentComplete).toBe(true);
  expect(equal.compared).toMatchObject({ tables: 6, rows: 5034, digests: 6, sequences: 1 });

  await using broken = await restored(subject, `${subject.live.name}_broken`);
  const expectFound = async (changes: string, found: readonly string[]): Promise<void> => {
    await broken.query(changes);
    expect(reasons(await compare(subject, broken.url, sound.url)), changes).toEqual(found);
  };
  await expectFound(
    `update shop.orders set note = 'note 2' where id = 1;
     delete from shop.felt where n = 7;
     update shop.twice set v = 'b' where ctid = '(0,1)';
     select setval('shop.tickets', 42);
     drop index shop.orders_note; create index orders_note on shop.orders (note)`,
    [
      "rows shop.orders: 5,000 rows, as many as in the backup, but not the same: …",
      "rows shop.twice: 3 rows, as many as in the backup, but not the same: …",
      `rows the partitions of "shop"."felt": 29 rows instead of 30`,
      "sequence : sequence shop.tickets is at 42 instead of 41",
      "definition : INDEX shop.orders_note is defined otherwise",
    ],
  );
  await expectFound(
    `update shop.orders set note = 'note ' || (3 - id) where id in (1, 2);
     insert into shop.felt values ('ok', 7);
     truncate shop.twice; insert into shop.twice values ('b'), ('a'), ('a');
     select setval('shop.tickets', 41, false);
     drop index shop.orders_note; create view shop.late as select 1 as one`,
    [
      "rows shop.orders: 5,000 rows, as many as in the backup, but not the same: …",
      "sequence : sequence shop.tickets is at 41 (not used yet) instead of 41",
      "definition : INDEX shop.orders_note is missing",
      "definition : VIEW shop.late is not in the backup",
    ],
  );
  await expectFound(
    `update shop.orders set note = 'note ' || id where id in (1, 2);
     delete from shop.orders where id = 5000;
     select setval('shop.tickets', 41);
     create index orders_note on shop.orders (note) where status in ('new', 'done'); drop view shop.late;
     alter table shop.child rename x to y; drop table shop.twice`,
    [
      "rows shop.child: it has other columns",
      "rows shop.twice: it is missing",
      "rows shop.orders: 4,999 rows instead of 5,000",
      "definition : TABLE shop.twice is missing",
      "definition : TABLE shop.child is defined otherwise",
    ],
  );
});
