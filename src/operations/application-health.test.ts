import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { makeRuntime, silentReporter } from "../lib/runtime.ts";
import { type HealthCheck, waitUntilHealthy } from "./application-health.ts";

const { signal } = new AbortController();
const app = (parts: Partial<HealthCheck>): HealthCheck => ({ healthTimeoutMs: 5000, ...parts });

/** A clock by which all the time is over after so many answers, each of which has five seconds to come; pauses take none. */
function overAfter(answers: number): Clock {
  let looks = 0;
  return {
    ...systemClock,
    // At the beginning, and before and after each answer.
    monotonic: () => (looks++ < 2 * answers ? 0 : 5000),
    wait: () => Promise.resolve(),
  };
}

describe("health", () => {
  test("is asked until the answer is 2xx", async () => {
    let asked = 0;
    await using server = await serve((_, response) => {
      asked += 1;
      response.writeHead(asked < 3 ? 503 : 204).end();
    });
    const notes: string[] = [];
    const runtime = makeRuntime({ reporter: { ...silentReporter, note: (text) => notes.push(text) } });
    const patient = app({ health: server.url, healthTimeoutMs: 60_000 });
    const report = await waitUntilHealthy(runtime, patient, signal);
    expect(report).toMatchObject({ status: 204, attempts: 3 });
    expect(notes).toEqual([expect.stringContaining("healthy")]);
  });

  test("a server that never becomes healthy is an error with its last answer", async () => {
    await using server = await serve((_, response) => void response.writeHead(503).end("starting"));
    const runtime = makeRuntime({ clock: overAfter(2) });
    await expect(waitUntilHealthy(runtime, app({ health: server.url }), signal)).rejects.toMatchObject({
      code: "application_failed",
      message: expect.stringMatching(/HTTP 503 \(asked 2 times in 5\.0 s\)/) as string,
    });
  });

  test("a redirect is not healthy, wherever it leads", async () => {
    await using server = await serve((request, response) => {
      if (request.url === "/login") response.writeHead(200).end();
      else response.writeHead(302, { location: "/login" }).end();
    });
    const runtime = makeRuntime({ clock: overAfter(1) });
    await expect(waitUntilHealthy(runtime, app({ health: server.url }), signal)).rejects.toThrow(
      "HTTP 302 to /login",
    );
  });

  test("a closed port and a silent server are told apart", async () => {
    const closed = await serve(() => undefined);
    await closed[Symbol.asyncDispose]();
    const runtime = makeRuntime({ clock: overAfter(1) });
    await expect(waitUntilHealthy(runtime, app({ health: closed.url }), signal)).rejects.toThrow(
      "connection refused",
    );

    await using silent = await serve(() => undefined);
    await expect(
      waitUntilHealthy(makeRuntime(), app({ health: silent.url, healthTimeoutMs: 60 }), signal),
    ).rejects.toThrow("no answer within");
  });

  test("user and password of the address are sent, and shown nowhere", async () => {
    const seen: (string | undefined)[] = [];
    await using server = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    const health = server.url.replace("http://", "http://ops:p%40ss%2Fword@");
    const runtime = makeRuntime({ clock: overAfter(1) });
    const error = await waitUntilHealthy(runtime, app({ health }), signal).catch((thrown: unknown) => thrown);
    expect(seen[0]).toBe(`Basic ${Buffer.from("ops:p@ss/word").toString("base64")}`);
    expect((error as AppError).message).toContain("HTTP 401");
    expect((error as AppError).message).not.toMatch(/p%40ss|p@ss/);
  });

  test("waiting can be cancelled", async () => {
    const controller = new AbortController();
    const reason = new AppError("interrupted", "stopped by the user");
    await using server = await serve((_, response) => {
      response.writeHead(503).end();
      controller.abort(reason);
    });
    await expect(
      waitUntilHealthy(
        makeRuntime(),
        app({ health: server.url, healthTimeoutMs: 60_000 }),
        controller.signal,
      ),
    ).rejects.toBe(reason);
  });
});

async function serve(listener: RequestListener): Promise<{ url: string } & AsyncDisposable> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/health`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}
