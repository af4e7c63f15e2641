import { statfs } from "node:fs/promises";
import { expect, test } from "vitest";
import { clusterUrl, runSql, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { connect, type Session } from "./session.ts";
import { serverFreeBytes } from "./space.ts";

async function open(user: string): Promise<Session> {
  const runtime = testRuntime();
  const url = new URL(clusterUrl());
  url.username = user;
  return await connect(runtime, await resolveConnection(runtime, url.href, noAbort()), noAbort());
}

test("the free space of a server on this machine is that of its data folder's disk", async () => {
  await using session = await open("postgres");
  const [row] = await session.query<{ folder: string }>("select current_setting('data_directory') as folder");
  const facts = await statfs(row?.folder ?? "");
  const free = await serverFreeBytes(session);
  // Others write to the same disk meanwhile.
  expect(Math.abs((free ?? 0) - facts.bavail * facts.bsize)).toBeLessThan(0.05 * facts.blocks * facts.bsize);
  expect(free).toBeGreaterThan(0);
});

test("nobody knows it where the server does not tell its folder, or is no process of this machine", async () => {
  const user = uniqueName("clerk");
  await runSql(clusterUrl(), `create role ${user} login`);
  try {
    await using session = await open(user);
    expect(await serverFreeBytes(session)).toBeUndefined();
  } finally {
    await runSql(clusterUrl(), `drop role ${user}`);
  }
  await using session = await open("postgres");
  const query = session.query.bind(session);
  const answering = (backendPid: number): Session =>
    Object.create(session, { backendPid: { value: backendPid }, query: { value: query } }) as Session;
  // No process has this id: it is above the kernel's largest.
  expect(await serverFreeBytes(answering(2 ** 22 + 1))).toBeUndefined();
  // A process of this machine that is no server, as behind a tunnel.
  expect(await serverFreeBytes(answering(process.pid))).toBeUndefined();
});
