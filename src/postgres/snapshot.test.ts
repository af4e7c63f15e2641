import { expect, test } from "vitest";
import { freshDatabase } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { type Session, connect } from "./session.ts";
import { joinSnapshot } from "./snapshot.ts";

async function open(url: string): Promise<Session> {
  const runtime = testRuntime();
  return await connect(runtime, await resolveConnection(runtime, url, noAbort()), noAbort());
}

async function exportSnapshot(holder: Session): Promise<string> {
  await holder.query("begin isolation level repeatable read read only");
  const [row] = await holder.query<{ name: string }>("select pg_catalog.pg_export_snapshot() as name");
  return row?.name ?? "";
}

test("a session that joins a snapshot sees what the snapshot's holder sees", async () => {
  await using database = await freshDatabase({ sql: "create table public.note (body text)" });
  await using holder = await open(database.url);
  const name = await exportSnapshot(holder);
  await database.query("insert into public.note values ('later')");
  await using session = await open(database.url);
  await joinSnapshot(session, name);
  expect(await session.query("select * from public.note")).toEqual([]);
});

test("a snapshot whose holder has ended is a lost connection, not a wrong parameter", async () => {
  await using database = await freshDatabase();
  const holder = await open(database.url);
  const name = await exportSnapshot(holder);
  await holder[Symbol.asyncDispose]();
  await using session = await open(database.url);
  await expect(joinSnapshot(session, name)).rejects.toMatchObject({
    code: "database_unreachable",
    message: `join snapshot ${name}: the session that held it open has ended`,
  });
});
