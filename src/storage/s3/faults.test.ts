import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { type Fate, type HttpProxy, httpProxy, type Passing } from "../../../test/support/http-proxy.ts";
import { freshBucket, objectStore } from "../../../test/support/object-store.ts";
import { Random } from "../../../test/reuse/random.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../../test/support/runtime.ts";
import { storageContract } from "../../../test/support/storage-contract.ts";
import { systemClock } from "../../lib/clock.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { openStorage } from "../open.ts";
import type { Storage } from "../storage.ts";

const signal = noAbort();
const MIB = 1024 ** 2;

// Every way in which a network or an overloaded server disturbs a request, by chance; the same chances in every run.
storageContract("s3 behind a bad network", async () => {
  const random = new Random(4);
  const choose = (): Fate => {
    const chance = random.next();
    if (chance < 0.05) return { refuse: 503 };
    if (chance < 0.1) return { refuse: 500, code: "InternalError" };
    if (chance < 0.15) return { cutAnswerAfter: -1 };
    if (chance < 0.2) return { cutAnswerAfter: random.below(1000) };
    if (chance < 0.25) return { cutRequestAfter: random.below(1000) };
    return chance < 0.3 ? { delayMs: 20 } : "pass";
  };
  return await disturbed(choose);
});

test("of a conditional write whose answer is lost it is still known who made the object", async () => {
  await using there = await disturbed(({ number }) => (number === 1 ? { cutAnswerAfter: -1 } : "pass"));
  expect(await there.storage.putIfAbsent("db/lease.1.json", Buffer.from("ours"), signal)).toBe(true);
  expect(writesOf(there.proxy, "lease.1.json")).toBe(3);
});

test("somebody else's object is not taken for one's own when an answer was lost", async () => {
  const location = await freshBucket();
  await openStorage(testRuntime(), location).put("db/lease.1.json", Buffer.from("same"), signal);
  await using there = await disturbed(
    ({ number }) => (number === 1 ? { cutAnswerAfter: -1 } : "pass"),
    {},
    location.url,
  );
  expect(await there.storage.putIfAbsent("db/lease.1.json", Buffer.from("same"), signal)).toBe(false);
});

test("a server that ignores the condition of a write is refused at the first one", async () => {
  await using there = await disturbed(() => ({ instead: [412, 200] }));
  await expect(there.storage.putIfAbsent("repository.json", Buffer.from("x"), signal)).rejects.toMatchObject({
    code: "repository_unusable",
    message: expect.stringContaining("two writers could not be kept apart"),
    hint: expect.stringContaining("If-None-Match"),
  });
});

test("a body that is cut again and again is read to its end, each byte once", async () => {
  const data = randomBytes(3 * MIB);
  await using there = await disturbed(({ method }) => (method === "GET" ? { cutAnswerAfter: MIB } : "pass"));
  await there.storage.put("db/a", data, signal);
  const chunks = await Array.fromAsync((await there.storage.open("db/a", signal)) as AsyncIterable<Buffer>);
  expect(Buffer.concat(chunks).equals(data)).toBe(true);
  const ranges = there.proxy.requests.flatMap(({ method, headers }) =>
    method === "GET" ? [headers["range"]] : [],
  );
  expect(ranges).toEqual([undefined, `bytes=${MIB}-`, `bytes=${2 * MIB}-`]);
});

test("an object that is replaced while it is read is not mixed from both", async () => {
  const location = await freshBucket();
  const direct = openStorage(testRuntime(), location);
  await direct.put("db/a", randomBytes(3 * MIB), signal);
  await using there = await disturbed(
    ({ headers }) => (headers["range"] === undefined ? { cutAnswerAfter: MIB } : "pass"),
    {},
    location.url,
  );
  const stream = await there.storage.open("db/a", signal);
  await direct.put("db/a", randomBytes(3 * MIB), signal);
  await expect(Array.fromAsync(stream)).rejects.toMatchObject({
    code: "repository_unusable",
    message: expect.stringContaining("was replaced while it was read"),
  });
});

test("a connection that gives nothing any more ends in an error, never in a short object", async () => {
  const clock = impatientClock();
  await using there = await disturbed(
    ({ method, headers }) =>
      method !== "GET" ? "pass" : { cutAnswerAfter: headers["range"] === undefined ? 1000 : 0 },
    { clock },
  );
  await there.storage.put("db/a", randomBytes(MIB), signal);
  await expect(Array.fromAsync(await there.storage.open("db/a", signal))).rejects.toMatchObject({
    code: "repository_unreachable",
  });
  await expect(there.storage.get("db/a", signal)).rejects.toMatchObject({ code: "repository_unreachable" });
});

test("parts whose upload is cut are sent again", async () => {
  const chunk = randomBytes(MIB);
  await using there = await disturbed(({ path, number }) =>
    path.includes("partNumber=") && number % 2 === 0 ? { cutRequestAfter: MIB } : "pass",
  );
  await using staged = await there.storage.stage("db/large", signal);
  for (let count = 0; count < 40; count++) await staged.write(chunk);
  expect(await staged.finish()).toBe(40 * MIB);
  await staged.publish();
  expect(await there.storage.stat("db/large", signal)).toMatchObject({ size: 40 * MIB });
});

test("an upload whose completion's answer is lost is complete", async () => {
  await using there = await disturbed(
    ({ path, method, number }) =>
      method === "POST" && path.includes("uploadId=") && number < 12 ? { cutAnswerAfter: -1 } : "pass",
    { clock: impatientClock() },
  );
  await using staged = await there.storage.stage("db/large", signal);
  for (let count = 0; count < 33; count++) await staged.write(Buffer.alloc(MIB));
  expect(await staged.finish()).toBe(33 * MIB);
  await staged.publish();
  expect(await there.storage.stat("db/large", signal)).toMatchObject({ size: 33 * MIB });
});

test("an endpoint that answers 503 for a minute is waited for, by longer and longer pauses", async () => {
  const clock = impatientClock();
  await using there = await disturbed(() => (clock.waited() < 60_000 ? { refuse: 503 } : "pass"), { clock });
  await there.storage.put("db/a", Buffer.from("x"), signal);
  expect((await there.storage.get("db/a", signal)).toString()).toBe("x");
  const pauses = clock.pauses();
  expect(pauses.length).toBeGreaterThan(10);
  for (const [failures, pause] of pauses.entries()) {
    const longest = Math.min(5000, 100 * 2 ** failures);
    expect(pause).toBeGreaterThanOrEqual(longest / 2);
    expect(pause).toBeLessThanOrEqual(longest);
  }
});

test("one that stays so is told, and the signal ends the waiting at once", async () => {
  const clock = impatientClock();
  await using there = await disturbed(() => ({ refuse: 503 }), { clock });
  await expect(there.storage.put("db/a", Buffer.from("x"), signal)).rejects.toMatchObject({
    code: "repository_unreachable",
    message: expect.stringContaining("503 (SlowDown)"),
  });
  expect(clock.waited()).toBeGreaterThan(60_000);
  const controller = new AbortController();
  await using patient = await disturbed(() => ({ refuse: 503 }));
  const reason = new Error("enough");
  const waiting = patient.storage.put("db/a", Buffer.from("x"), controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
});

test.each([
  ["20 min ahead", 20 * 60_000, / 20 min.* ahead of /],
  ["a day behind", -86_400_000, / (?:1 d|23 h 59 min) behind /],
])("a clock that is %s is told, and requests are sent with the server's time", async (_, offset, words) => {
  const clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + offset) };
  await using there = await disturbed(() => "pass", { clock });
  await there.storage.put("db/a", Buffer.from("x"), signal);
  await there.storage.get("db/a", signal);
  expect(there.runtime.warnings).toEqual([expect.stringMatching(words)]);
});

interface Disturbed extends AsyncDisposable {
  readonly storage: Storage;
  readonly proxy: HttpProxy;
  readonly runtime: TestRuntime;
}

/** @param url of a place that is there already; default: a new one */
async function disturbed(
  fate: (passing: Passing) => Fate,
  parts: Partial<Runtime> = {},
  url?: string,
): Promise<Disturbed> {
  const store = await objectStore();
  const proxy = await httpProxy(store.endpoint, fate);
  const fresh = await freshBucket();
  const runtime = testRuntime(parts);
  const location = { ...fresh, url: (url ?? fresh.url).replace(store.endpoint, proxy.endpoint) };
  return {
    storage: openStorage(runtime, location),
    proxy,
    runtime,
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}

function writesOf(proxy: HttpProxy, name: string): number {
  return proxy.requests.filter(({ method, path }) => method === "PUT" && path.includes(name)).length;
}

/** A clock whose waiting takes no time, and counts as if it had. */
function impatientClock(): Runtime["clock"] & {
  readonly waited: () => number;
  readonly pauses: () => readonly number[];
} {
  let waited = 0;
  const pauses: number[] = [];
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() + waited,
    wait: async (ms, waitSignal) => {
      waitSignal.throwIfAborted();
      waited += ms;
      pauses.push(ms);
      await Promise.resolve();
    },
    waited: () => waited,
    pauses: () => pauses,
  };
}
