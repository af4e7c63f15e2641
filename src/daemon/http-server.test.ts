import { connect } from "node:net";
import { expect, test } from "vitest";
import { startHttpServer } from "./http-server.ts";

const HERE = { host: "127.0.0.1", port: 0 };
const routes = {
  "/good": () => Promise.resolve({ status: 200, type: "text/plain", body: "grün\n" }),
  "/bad": () => Promise.reject(new Error("postgresql://me:secret@host/data")),
};

test("answers GET and HEAD on its paths, and nothing else", async () => {
  await using server = await startHttpServer(HERE, routes, () => undefined);
  const good = await fetch(`${server.url}/good?x=1`);
  expect([good.status, await good.text()]).toEqual([200, "grün\n"]);
  const head = await fetch(`${server.url}/good`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "6", ""]);
  const post = await fetch(`${server.url}/good`, { method: "POST", body: "x" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  for (const path of ["/", "/toString", "/__proto__", "/good/"])
    expect((await fetch(`${server.url}${path}`)).status).toBe(404);
});

test("what goes wrong inside is told to us, not to a stranger", async () => {
  const heard: string[] = [];
  await using server = await startHttpServer(HERE, routes, (path, error) => {
    heard.push(`${path}: ${error instanceof Error ? error.message : ""}`);
  });
  const bad = await fetch(`${server.url}/bad`);
  expect(bad.status).toBe(500);
  expect(await bad.text()).not.toContain("secret");
  expect(heard).toEqual(["/bad: postgresql://me:secret@host/data"]);
});

test("a port that is taken is a clear error", async () => {
  await using server = await startHttpServer(HERE, routes, () => undefined);
  const port = Number(new URL(server.url).port);
  await expect(startHttpServer({ ...HERE, port }, routes, () => undefined)).rejects.toMatchObject({
    code: "usage",
    message: `listen on port ${port} of 127.0.0.1: another process has it`,
    hint: expect.stringContaining("--port") as string,
  });
  // A documentation address, which no machine has (RFC 5737).
  await expect(
    startHttpServer({ host: "192.0.2.1", port: 0 }, routes, () => undefined),
  ).rejects.toMatchObject({
    code: "usage",
    hint: expect.stringContaining("--host") as string,
  });
});

test("ends at once, though somebody is connected", async () => {
  const server = await startHttpServer(HERE, routes, () => undefined);
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const closed = new Promise<string>((resolve) => socket.once("close", () => resolve("closed")));
  socket.on("error", () => undefined);
  await server[Symbol.asyncDispose]();
  expect(await closed).toBe("closed");
});
