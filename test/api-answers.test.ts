import { once } from "node:events";
import { expect, test } from "vitest";
import type { ApiWorld } from "../src/api/world.ts";
import { AppError } from "../src/errors.ts";
import { ErrorJson } from "../src/json/common.ts";
import { mountedApi } from "./support/mounted-api.ts";

interface Mounted extends AsyncDisposable {
  readonly defects: readonly string[];
  /** Asks for the databases, as somebody who may see them. */
  ask(signal?: AbortSignal | null): Promise<Response>;
}

/** Answers what `status` does. */
async function mounted(status: ApiWorld["status"]): Promise<Mounted> {
  const api = await mountedApi({ world: { status }, redact: (text) => text.replaceAll("geheim", "***") });
  const user = api.access.users.add({ name: "ada", role: "viewer", password: null });
  const token = api.access.tokens.make(user, { label: "test", role: "viewer", dangerous: false, days: 1 });
  const headers = { authorization: `Bearer ${token.secret}` };
  return {
    defects: api.defects,
    ask: async (signal = null) => await fetch(`${api.url}/api/databases`, { headers, signal }),
    [Symbol.asyncDispose]: async () => await api[Symbol.asyncDispose](),
  };
}

test("a defect, and an answer that breaks its contract, are told to us and not to whoever asked", async () => {
  await using broken = await mounted(() => Promise.reject(new Error("at /root/geheim")));
  await using wrong = await mounted(() => Promise.resolve({ healthy: "geheim" } as never));
  for (const server of [broken, wrong]) {
    const answer = await server.ask();
    expect(answer.status).toBe(500);
    expect(ErrorJson.parse(await answer.json()).error).toMatchObject({
      code: "unexpected",
      message: "this cannot be answered",
    });
  }
  expect(broken.defects).toEqual(["/api/databases: Error: at /root/geheim"]);
  expect(wrong.defects).toHaveLength(1);
});

test("an error has the status of its code, its hint and details, and no secret", async () => {
  await using server = await mounted(() =>
    Promise.reject(
      new AppError("lease_held", "look: geheim", { hint: "wait, geheim", details: { by: ["geheim"] } }),
    ),
  );
  const answer = await server.ask();
  expect([answer.status, await answer.json()]).toEqual([
    409,
    { error: { code: "lease_held", message: "look: ***", hint: "wait, ***", details: { by: ["***"] } } },
  ]);
});

test("what nobody waits for any more is ended", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  await using server = await mounted(async (signal) => {
    asked.resolve(signal);
    await once(signal, "abort");
    throw new AppError("interrupted", "stopped");
  });
  const leave = new AbortController();
  const answer = server.ask(leave.signal);
  const signal = await asked.promise;
  expect(signal.aborted).toBe(false);
  const ended = once(signal, "abort");
  leave.abort();
  await expect(answer).rejects.toThrow();
  await ended;
});
