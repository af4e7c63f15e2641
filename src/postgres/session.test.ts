import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keptPort } from "../../test/support/kept-port.ts";
import { lyingProxy } from "../../test/support/lying-proxy.ts";
import { clusterUrl, freshCluster, freshDatabase, runSql } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import type { Cluster } from "./cluster.ts";
import { clientProgram, findClients } from "./clients.ts";
import { runForText } from "../lib/process.ts";
import { resolveConnection, toolEnvironment } from "./connection.ts";
import { type Session, connect, isSqlState } from "./session.ts";

async function open(source: string, signal = noAbort(), runtime = testRuntime()): Promise<Session> {
  return await connect(runtime, await resolveConnection(runtime, source, noAbort()), signal);
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    (value) => Promise.reject(new Error(`it succeeded with ${String(value)}`)),
    (error: unknown) => error,
  );
}

const portOf = (url: string): string => new URL(url).port;

/** A listener that does what it is told with each connection. */
async function listen(onConnect: (socket: Socket) => void): Promise<{ port: number } & AsyncDisposable> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    onConnect(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

describe("statements", () => {
  test("rows come as plain objects, big numbers as strings, and observers hear of each statement", async () => {
    const runtime = testRuntime();
    await using session = await open(clusterUrl(), noAbort(), runtime);
    const rows = await session.query("SELECT $1::bigint AS big, $2::numeric AS exact, true AS yes", [
      "9007199254740993",
      1.5,
    ]);
    expect(rows).toEqual([{ big: "9007199254740993", exact: "1.5", yes: true }]);
    await session.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    await expect(session.query('select 1/0 as "My Secret Name"')).rejects.toThrow("division by zero");
    expect(runtime.operations).toEqual([
      "before sql connect",
      "after sql connect",
      "before sql SELECT",
      "after sql SELECT",
      "before sql BEGIN ISOLATION LEVEL",
      "after sql BEGIN ISOLATION LEVEL",
      "before sql SELECT",
    ]);
  });

  test("the session knows its server and says who it is", async () => {
    await using session = await open(clusterUrl());
    const [row] = await session.query<{ pid: number; version: string; name: string }>(
      "SELECT pg_backend_pid() AS pid, current_setting('server_version_num') AS version, current_setting('application_name') AS name",
    );
    expect(row).toEqual({ pid: session.backendPid, version: String(session.serverVersion), name: "handled" });
    expect(session.settings.hosts).toHaveLength(1);
  });

  test("statements called at once run one after the other, and one's failure is not the next one's", async () => {
    await using session = await open(clusterUrl());
    const results = await Promise.allSettled([
      session.query("SELECT 1 AS a"),
      session.query("SELECT 1/0 AS a"),
      session.query("SELECT 2 AS a"),
    ]);
    expect(results.map((result) => (result.status === "fulfilled" ? result.value : "failed"))).toEqual([
      [{ a: 1 }],
      "failed",
      [{ a: 2 }],
    ]);
  });

  test("a second statement in one text is refused by the server", async () => {
    await using session = await open(clusterUrl());
    await expect(session.query("SELECT 1; SELECT 2")).rejects.toMatchObject({
      details: { sqlState: "42601" },
    });
  });

  test("a session used after its end says so", async () => {
    const session = await open(clusterUrl());
    await session[Symbol.asyncDispose]();
    await session[Symbol.asyncDispose]();
    await expect(session.query("SELECT 1")).rejects.toMatchObject({ code: "unexpected" });
  });

  test("what a database is set to for its applications is not for us, but what the connection string says is", async () => {
    await using database = await freshDatabase();
    await database.query(`alter database ${database.name} set statement_timeout = '1h';
      alter database ${database.name} set idle_in_transaction_session_timeout = '2h';
      alter database ${database.name} set search_path = anybody, pg_catalog`);
    const settings = `select current_setting('statement_timeout') as statement, current_setting('search_path') as path,
      current_setting('idle_in_transaction_session_timeout') as idle`;
    await using session = await open(database.url);
    expect(await session.query(settings)).toEqual([{ statement: "0", path: "", idle: "0" }]);
    await using asked = await open(`${database.url}?options=-c%20statement_timeout%3D5min`);
    expect(await asked.query(settings)).toEqual([{ statement: "5min", path: "", idle: "0" }]);
    await using proxy = await lyingProxy(Number(portOf(clusterUrl())));
    // Behind a pooler the connection is other clients' too.
    await using pooled = await open(database.url.replace(portOf(clusterUrl()), String(proxy.port)));
    expect(await pooled.query(settings)).toEqual([
      { statement: "1h", path: "anybody, pg_catalog", idle: "2h" },
    ]);
  });

  test("options of the connection string reach the server", async () => {
    await using session = await open(
      `${clusterUrl()}?options=-c%20work_mem%3D7MB%20-c%20search_path%3D%22a%5C%20b%22`,
    );
    expect(await session.query("SHOW work_mem")).toEqual([{ work_mem: "7MB" }]);
  });
});

describe("what the server says becomes a code", () => {
  test("a refused statement is query_failed with the server's words and SQLSTATE", async () => {
    await using session = await open(clusterUrl());
    const error = await failure(session.query("SELECT nonsense"));
    expect(error).toMatchObject({
      code: "query_failed",
      message: 'sql SELECT: column "nonsense" does not exist',
      details: { sqlState: "42703" },
    });
    expect(isSqlState(error, "42703")).toBe(true);
    expect(isSqlState(error, "42P01")).toBe(false);
    expect(isSqlState(new Error("wrapped", { cause: error }), "42703")).toBe(true);
    expect(isSqlState("42703", "42703")).toBe(false);
  });

  test("a missing privilege, a lock that does not come, a full disk and the server's own time limit", async () => {
    await using database = await freshDatabase({ sql: "CREATE TABLE t (a int)" });
    await using holder = await open(database.url);
    await holder.query("BEGIN");
    await holder.query("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE");
    await using session = await open(database.url);
    await session.query("SET lock_timeout = 20");
    await expect(session.query("SELECT * FROM public.t")).rejects.toMatchObject({ code: "lock_timeout" });
    await holder.query("ROLLBACK");
    await session.query("SET ROLE pg_monitor");
    await expect(session.query("SELECT * FROM public.t")).rejects.toMatchObject({
      code: "privilege_missing",
      exitCode: 22,
    });
    await session.query("RESET ROLE");
    await expect(
      session.query("DO $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"),
    ).rejects.toMatchObject({ code: "space_missing" });
    await session.query("SET statement_timeout = 20");
    await expect(session.query("SELECT pg_sleep(30)")).rejects.toMatchObject({
      code: "query_failed",
      details: { sqlState: "57014" },
    });
  });

  test("a known secret in the server's words is blanked out", async () => {
    const runtime = testRuntime();
    runtime.secrets.add("correct horse");
    await using session = await open(clusterUrl(), noAbort(), runtime);
    await expect(
      session.query("DO $$ BEGIN RAISE EXCEPTION 'bad: correct horse'; END $$"),
    ).rejects.toMatchObject({
      message: "sql DO: bad: ***",
    });
  });
});

describe("cancelling", () => {
  test("aborting rejects with the signal's reason and stops the statement on the server", async () => {
    await using database = await freshDatabase();
    const stop = new AbortController();
    const reason = new Error("enough");
    const session = await open(database.url, stop.signal);
    const pid = session.backendPid;
    const running = failure(session.query("SELECT pg_sleep(600)"));
    await using observer = await open(clusterUrl());
    const states = async (): Promise<unknown[]> =>
      await observer.query(
        "SELECT state FROM pg_stat_activity WHERE pid = $1 AND query LIKE 'SELECT pg_sleep%'",
        [pid],
      );
    await expect.poll(states).toEqual([{ state: "active" }]);
    stop.abort(reason);
    expect(await running).toBe(reason);
    await session[Symbol.asyncDispose]();
    await expect.poll(states).toEqual([]);
    expect(await failure(session.query("SELECT 1"))).toBe(reason);
  });

  test("aborting while connecting gives up at once", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    await using listener = await listen(() => stop.abort(reason));
    expect(await failure(open(`postgresql://u@127.0.0.1:${listener.port}/d`, stop.signal))).toBe(reason);
    expect(await failure(open(clusterUrl(), stop.signal))).toBe(reason);
  });
});

describe("no connection", () => {
  test("a closed port is named, with what to check", async () => {
    const port = await keptPort();
    await expect(open(`postgresql://u:pass%40word@127.0.0.1:${port}/d`)).rejects.toMatchObject({
      code: "database_unreachable",
      exitCode: 20,
      message: `connect to 127.0.0.1:${port}: connection refused`,
      hint: expect.stringContaining("firewall"),
      details: { errno: "ECONNREFUSED" },
    });
  });

  test("an unknown host is named", async () => {
    await expect(open("postgresql://u:secret@no-such-host.invalid/d")).rejects.toMatchObject({
      code: "database_unreachable",
      message: expect.stringMatching(
        /^connect to no-such-host\.invalid:5432: (unknown host name|the host name cannot)/,
      ),
    });
  });

  test("a socket folder without a server is named", async () => {
    await expect(open("host=/nowhere user=u dbname=d")).rejects.toMatchObject({
      code: "database_unreachable",
      message: "connect to /nowhere:5432: no Unix socket there",
    });
  });

  test("a server that never answers is given up after connect_timeout", async () => {
    await using listener = await listen(() => undefined);
    await expect(open(`postgresql://u@127.0.0.1:${listener.port}/d?connect_timeout=1`)).rejects.toMatchObject(
      {
        code: "database_unreachable",
        message: `connect to 127.0.0.1:${listener.port}: no answer within 1 s`,
      },
    );
  });

  test.each([
    ["sslmode=disable", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["sslmode=prefer", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["sslmode=require", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["sslmode=disable", ""],
  ])("a server that is no PostgreSQL (%s, %j) is an error, not a crash", async (mode, answer) => {
    await using listener = await listen((socket) => socket.end(answer));
    await expect(
      open(`postgresql://u@127.0.0.1:${listener.port}/d?${mode}&connect_timeout=5`),
    ).rejects.toMatchObject({ code: "database_unreachable" });
  });
});

describe("several hosts", () => {
  test("a dead first host is passed over, and the session is pinned to the one that answered", async () => {
    const dead = await keptPort();
    const { port, username } = new URL(clusterUrl());
    await using session = await open(`postgresql://${username}@127.0.0.1:${dead},127.0.0.1:${port}/postgres`);
    expect(session.settings).toMatchObject({
      hosts: [{ host: "127.0.0.1", port: Number(port) }],
      targetSessionAttrs: "any",
    });
  });

  test("when all are dead, all are named", async () => {
    const [one, other] = [await keptPort(), await keptPort()];
    await expect(open(`postgresql://u@127.0.0.1:${one},127.0.0.1:${other}/d`)).rejects.toMatchObject({
      code: "database_unreachable",
      message: `connect to 127.0.0.1:${one}: connection refused; connect to 127.0.0.1:${other}: connection refused`,
    });
  });

  test("a pooler is noticed", async () => {
    await using proxy = await lyingProxy(Number(portOf(clusterUrl())));
    await using behind = await open(`postgresql://postgres@127.0.0.1:${proxy.port}/postgres?sslmode=disable`);
    expect(await behind.isDirect()).toBe(false);
    await using direct = await open(clusterUrl());
    expect(await direct.isDirect()).toBe(true);
  });
});

describe("a standby and a primary", () => {
  let standby: Cluster;
  beforeAll(async () => {
    standby = await freshCluster({ files: { "standby.signal": "" } });
  });
  afterAll(async () => await standby[Symbol.asyncDispose]());

  test.each([
    ["any", "standby"],
    ["read-write", "primary"],
    ["primary", "primary"],
    ["standby", "standby"],
    ["read-only", "standby"],
    ["prefer-standby", "standby"],
  ])("target_session_attrs=%s finds the %s", async (wanted, found) => {
    const primary = Number(portOf(clusterUrl()));
    const ports = found === "primary" || wanted === "any" ? [standby.port, primary] : [primary, standby.port];
    await using session = await open(
      `postgresql://postgres@127.0.0.1:${ports[0]},127.0.0.1:${ports[1]}/postgres?target_session_attrs=${wanted}`,
    );
    expect(session.settings.hosts[0]?.port).toBe(found === "primary" ? primary : standby.port);
  });

  test("a role that no server has is an error, unless it was only preferred", async () => {
    await expect(open(`${clusterUrl()}?target_session_attrs=standby`)).rejects.toMatchObject({
      code: "database_unreachable",
      message: expect.stringContaining("the server is no standby"),
    });
    await expect(open(`${clusterUrl()}?target_session_attrs=read-only`)).rejects.toThrow(
      "the server is writable",
    );
    await expect(open(`${standby.url()}?target_session_attrs=primary`)).rejects.toThrow(
      "the server is a standby",
    );
    await using session = await open(`${clusterUrl()}?target_session_attrs=prefer-standby`);
    expect(session.serverVersion).toBeGreaterThan(140_000);
  });

  test("a primary whose sessions are read-only is not read-write", async () => {
    await using database = await freshDatabase();
    await database.query(`ALTER DATABASE ${database.name} SET default_transaction_read_only = on`);
    await expect(open(`${database.url}?target_session_attrs=read-write`)).rejects.toThrow(
      "the server is read-only",
    );
    await using session = await open(`${database.url}?target_session_attrs=read-only`);
    expect(session.settings.database).toBe(database.name);
  });
});

describe("a server with passwords", () => {
  const password = "p@ss:w/rd%20'\\ ?#&=é";
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await freshCluster({ password });
  });
  afterAll(async () => await cluster[Symbol.asyncDispose]());

  test("a password of special characters works in every form, for us and for the tools", async () => {
    const runtime = testRuntime({ env: { PGPASSWORD: "" } });
    const quoted = password.replaceAll(/[\\']/g, "\\$&");
    const forms = [
      cluster.url(),
      `host=127.0.0.1 port=${cluster.port} user=postgres dbname=postgres password='${quoted}'`,
    ];
    const [client] = await findClients(runtime, noAbort());
    if (client === undefined) throw new Error("no client");
    for (const source of forms) {
      await using session = await open(source, noAbort(), runtime);
      expect(await session.query("SELECT current_user::text AS name")).toEqual([{ name: "postgres" }]);
      const args = ["-XAtc", "SELECT current_setting('application_name')"];
      const psql = { program: clientProgram(client, "psql"), args };
      // libpq itself reads the same string, and understands our environment.
      const ours = { ...psql, env: toolEnvironment(runtime, session.settings) };
      expect(await runForText(runtime, ours, noAbort())).toBe("handled\n");
      const theirs = { ...psql, args: [...args, source], env: { PATH: "/usr/bin:/bin", PGAPPNAME: "libpq" } };
      expect(await runForText(runtime, theirs, noAbort())).toBe("libpq\n");
    }
  });

  test.each([
    ["a wrong password", (url: URL) => (url.password = "wrong-password")],
    ["an unknown user", (url: URL) => (url.username = "nobody-here")],
    ["no password", (url: URL) => (url.password = "")],
    ["an unknown database", (url: URL) => (url.pathname = "/no-such-database")],
  ])("%s is login_refused, and no other host is tried", async (_, change) => {
    const url = new URL(cluster.url());
    change(url);
    url.searchParams.set("host", "127.0.0.1,127.0.0.1");
    url.searchParams.set("port", `${cluster.port},${portOf(clusterUrl())}`);
    const error = await failure(open(url.href));
    expect(error).toMatchObject({
      code: "login_refused",
      exitCode: 20,
      hint: expect.stringMatching(/password|pgpass|user|database/),
    });
    const { message, hint } = error as { message: string; hint: string };
    expect(message).toMatch(new RegExp(`^connect to 127\\.0\\.0\\.1:${cluster.port}: `));
    expect(`${message} ${hint}`).not.toContain("wrong-password");
    expect(`${message} ${hint}`).not.toContain("p@ss");
  });

  test("no right to connect, and too many connections", async () => {
    await runSql(cluster.url(), "CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 0");
    await runSql(cluster.url(), "CREATE ROLE outside LOGIN PASSWORD 'outside'");
    await runSql(cluster.url(), "CREATE DATABASE closed");
    await runSql(cluster.url(), "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    const base = `127.0.0.1:${cluster.port}`;
    await expect(open(`postgresql://limited:limited@${base}/postgres`)).rejects.toMatchObject({
      code: "database_unreachable",
      hint: expect.stringContaining("too many connections"),
    });
    await expect(open(`postgresql://outside:outside@${base}/closed`)).rejects.toMatchObject({
      code: "privilege_missing",
    });
    await runSql(cluster.url(), "ALTER DATABASE closed ALLOW_CONNECTIONS false");
    await expect(open(cluster.url("closed"))).rejects.toMatchObject({ code: "login_refused" });
  });

  test("a server stopped in mid-statement: the connection is lost, the process lives, later statements say why", async () => {
    await using active = await open(cluster.url());
    await using idle = await open(cluster.url());
    const running = failure(active.query("SELECT pg_sleep(600)"));
    await cluster.stop("fast");
    expect(await running).toMatchObject({
      code: "database_unreachable",
      message: `sql SELECT: connection to 127.0.0.1:${cluster.port} lost: terminating connection due to administrator command`,
      details: { sqlState: "57P01" },
    });
    await expect(active.query("SELECT 1")).rejects.toMatchObject({ code: "database_unreachable" });
    await expect(idle.query("SELECT 1")).rejects.toMatchObject({
      code: "database_unreachable",
      message: expect.stringContaining("administrator command"),
    });
    await expect(open(cluster.url())).rejects.toMatchObject({ code: "database_unreachable" });
    await cluster.start();
    await using again = await open(cluster.url());
    const crashing = failure(again.query("SELECT pg_sleep(600)"));
    await cluster.stop("immediate");
    expect(await crashing).toMatchObject({ code: "database_unreachable" });
  });
});
