import { expect, test } from "vitest";
import { clusterUrl, runSql, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { ensureRoles } from "./roles.ts";
import { connect, quoteIdentifier, type Session } from "./session.ts";

async function open(user?: string): Promise<Session> {
  const runtime = testRuntime();
  const url = new URL(clusterUrl());
  if (user !== undefined) url.username = user;
  return await connect(runtime, await resolveConnection(runtime, url.href, noAbort()), noAbort());
}

const drop = async (...names: string[]): Promise<void> =>
  void (await runSql(clusterUrl(), `drop role if exists ${names.map(quoteIdentifier).join(", ")}`));

test("missing roles are made without the right to log in, once each; present ones are left alone", async () => {
  const missing = uniqueName('Né "w" ');
  await using session = await open();
  try {
    expect(await ensureRoles(session, ["postgres", missing, missing])).toEqual([missing]);
    expect(await ensureRoles(session, ["postgres", missing])).toEqual([]);
    const [role] = await session.query(
      "select rolcanlogin as login, rolsuper as super from pg_catalog.pg_roles where rolname = $1",
      [missing],
    );
    expect(role).toEqual({ login: false, super: false });
  } finally {
    await drop(missing);
  }
});

test("a role that somebody else makes at the same moment is there, and that is all we need", async () => {
  const contested = uniqueName("contested");
  await using other = await open();
  await using session = await open();
  await other.query("begin");
  try {
    await other.query(`create role ${contested}`);
    const ensured = ensureRoles(session, [contested]);
    await expect
      .poll(() => other.query("select pg_blocking_pids($1) <> '{}' as waits", [session.backendPid]))
      .toEqual([{ waits: true }]);
    await other.query("commit");
    expect(await ensured).toEqual([]);
  } finally {
    await drop(contested);
  }
});

test("who may not make roles is told which to make, before any is made", async () => {
  const user = uniqueName("clerk");
  await runSql(clusterUrl(), `create role ${user} login`);
  try {
    await using session = await open(user);
    await expect(ensureRoles(session, ["postgres", "a b", "c"])).rejects.toMatchObject({
      code: "privilege_missing",
      message: "restore: the dump names roles that this server does not have: a b, c",
      hint: '`create role "a b" nologin`; `create role "c" nologin`',
    });
    expect(await ensureRoles(session, ["postgres", user])).toEqual([]);
  } finally {
    await drop(user);
  }
});
