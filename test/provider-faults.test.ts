import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import type { Failure } from "../src/demo/digitalocean/faults.ts";
import { AppError } from "../src/errors.ts";
import type { Observer } from "../src/lib/runtime.ts";
import {
  type ProviderRestoreReport,
  type ProviderRestoreRequest,
  restoreFromProvider,
} from "../src/operations/provider/restore.ts";
import { DigitalOcean } from "../src/providers/digitalocean/digitalocean.ts";
import type { ProviderCluster } from "../src/providers/provider.ts";
import { killAtEveryMoment } from "./crash/harness.ts";
import { momentsOfChange } from "./crash/moments.ts";
import { runCli } from "./support/cli.ts";
import { ask, impatient, testEmulator } from "./support/emulator.ts";
import { runSql } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { shopRestore } from "./support/shop-restore.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// One service for all. A cluster is made anew only where a test is about that: the rest goes on with the one that is there.

const NAME = "shop-again";
// What is only asked leaves all as it was: a kill there is one before the next change.
const CHANGES = /^(provider (POST|PUT|DELETE)|storage (put|stage)) /;
const CREATE = "provider POST /v2/databases";

let emulator: Emulator;
let folder: TemporaryFolder;
let strategy: string;
let live: string;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false, forkUsers: "forget" });
  folder = await temporaryFolder();
  const { id, url } = await emulator.makeCluster("shop");
  live = url;
  const pool = { name: "web-pool", mode: "transaction", size: 5, db: "defaultdb", user: "doadmin" };
  await ask(emulator, "POST", `/v2/databases/${id}/pools`, pool);
  await ask(emulator, "POST", `/v2/databases/${id}/users`, { name: "app" });
  await runSql(url, "create table orders (id int primary key); insert into orders values (1)");
  await emulator.takeBackup("shop");
  strategy = join(folder.path, "handled.yaml");
  await writeFile(
    strategy,
    `version: 1
repositories: { local: { url: ./backups } }
databases:
  shop:
    url: \${SHOP_URL}
    provider: { kind: digitalocean, cluster: shop, token: "\${DIGITALOCEAN_TOKEN}", endpoint: "${emulator.url}" }
`,
  );
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(() => {
  emulator.faults.clear();
});

/** Whatever a test did: what is there is known by its tags, and the sweep leaves nothing of it. */
afterEach(async () => {
  emulator.faults.clear();
  await expectTagged();
  const swept = await handled("provider", "sweep", "shop", "--all", "--yes");
  expect(swept, swept.stderr).toMatchObject({ code: 0 });
  expect(await clusters()).toEqual([]);
});

async function handled(...args: string[]): Promise<Awaited<ReturnType<typeof runCli>>> {
  return await runCli(["--config", strategy, ...args], { env: environment() });
}

function environment(): Record<string, string> {
  return { DIGITALOCEAN_TOKEN: emulator.token, SHOP_URL: live };
}

/** All but `shop`. */
async function clusters(): Promise<ProviderCluster[]> {
  const { url: endpoint, token } = emulator;
  const all = await new DigitalOcean(testRuntime(), { endpoint, token }).clusters(noAbort());
  return all.filter(({ name }) => name !== "shop");
}

async function idsOfNamed(): Promise<string[]> {
  return (await clusters()).filter(({ name }) => name === NAME).map(({ id }) => id);
}

/** So that there is something to make in a cluster that is there already. */
async function dropPool(): Promise<void> {
  const [id = ""] = await idsOfNamed();
  await ask(emulator, "DELETE", `/v2/databases/${id}/pools/web-pool`);
}

async function expectTagged(): Promise<void> {
  for (const one of await clusters()) expect(one.lifetime, one.name).not.toBeNull();
}

/** Restores; nobody waits longer than the service needs. */
async function restore(
  observer: Observer,
  more: Partial<ProviderRestoreRequest> = {},
): Promise<ProviderRestoreReport> {
  const runtime = testRuntime({ clock: impatient(emulator), observer });
  const request = shopRestore(runtime, emulator, more);
  return await restoreFromProvider(runtime, request, noAbort());
}

/** Fails all that is asked from a call on, the first that is met: one by its number (from 0), or one of this kind. */
function failingFrom(call: number | "PUT", failure: Failure): Observer {
  let calls = 0;
  let failed = false;
  return (phase, operation) => {
    if (phase !== "before" || !operation.startsWith("provider ") || failed) return;
    failed = typeof call === "number" ? calls++ === call : operation.includes(call);
    if (failed) emulator.faults.failNext(failure);
  };
}

/** The calls of a run that ends well. */
async function callsOf(more: Partial<ProviderRestoreRequest>): Promise<string[]> {
  const calls: string[] = [];
  await restore((phase, operation) => {
    if (phase === "before" && operation.startsWith("provider ")) calls.push(operation);
  }, more);
  return calls;
}

const LASTING: readonly Failure[] = [
  { status: 500, times: Number.POSITIVE_INFINITY },
  { status: 401, times: Number.POSITIVE_INFINITY },
];

/** What the user is told says what was asked, and what was answered. */
async function expectClearError(restored: Promise<unknown>, where: string): Promise<void> {
  const error: unknown = await restored.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, where).toBeInstanceOf(AppError);
  const { code, message } = error as AppError;
  expect(["provider_unreachable", "provider_refused", "deadline_passed"], where).toContain(code);
  expect(message, where).toMatch(/\/v2\/databases.* answered (500|401)|still creating/);
}

test("each call of a restore may fail once, and it succeeds all the same with one cluster", async () => {
  const once: Failure[] = [{ status: 429 }, { status: "cut" }, { status: "cut", carriedOut: true }];
  for (const failure of once) {
    const failed = new Set<string>();
    let isAgain = false;
    const report = await restore((phase, operation) => {
      if (!operation.startsWith("provider ")) return;
      if (phase === "after") isAgain = false;
      else if (!isAgain && !(operation.includes("POST") && failed.has(operation))) {
        isAgain = true;
        failed.add(operation);
        emulator.faults.failNext(failure);
      }
    });
    expect(report.done?.content).toMatchObject({ filled: 1 });
    expect(report.done?.access).toMatchObject({ newUsers: ["app"], newPools: ["web-pool"], lacking: [] });
    expect(failed.size).toBeGreaterThan(8);
  }
  expect(await clusters()).toHaveLength(once.length);
});

test("a service that fails for good at any call ends the restore with a clear error, and leaves no nameless cluster", async () => {
  const calls = await callsOf({ name: NAME });
  const create = calls.indexOf(CREATE);
  expect(create).toBeGreaterThan(3);
  await handled("provider", "sweep", "shop", "--all", "--yes");
  for (const failure of LASTING) {
    for (let call = 0; call <= create; call++) {
      await expectClearError(
        restore(failingFrom(call, failure)),
        `${failure.status} at ${calls[call] ?? ""}`,
      );
      emulator.faults.clear();
    }
    expect(await clusters()).toEqual([]);
    // While it is waited for, and once it is online: it cannot be destroyed either, and stays for the sweep.
    for (const call of [create + 1, "PUT"] as const) {
      const more = failure.status === 500 && call !== "PUT" ? { deadlineMs: 500 } : {};
      await expectClearError(restore(failingFrom(call, failure), more), `${failure.status} at ${call}`);
      emulator.faults.clear();
    }
    await expectTagged();
    expect(await clusters()).toHaveLength(2);
    await handled("provider", "sweep", "shop", "--all", "--yes");
  }
});

test("a restore that goes on with its cluster may fail at any call, and goes on again", async () => {
  const kept = { name: NAME, keepOnFailure: true };
  await restore(() => undefined, kept);
  const [cluster] = await clusters();
  await dropPool();
  const calls = await callsOf(kept);
  for (const failure of LASTING)
    for (const [call, what] of calls.entries()) {
      await dropPool();
      const isPool = what.includes("POST") && failure.status === 401;
      const restored = restore(failingFrom(call, failure), kept);
      if (isPool) expect((await restored).done?.access.lacking).toHaveLength(1);
      else await expectClearError(restored, `${failure.status} at ${what}`);
      emulator.faults.clear();
    }
  await dropPool();
  const { done } = await restore(() => undefined, kept);
  expect(done).toMatchObject({
    cluster: { id: cluster?.id },
    access: { newPools: ["web-pool"], newUsers: ["app"] },
  });
  expect(await clusters()).toHaveLength(1);
});

test("a new server that lets nobody in is waited for, and then given up", async () => {
  emulator.rules.forkUsers = "keep";
  emulator.nextCluster("refuses-connections");
  await expect(restore(() => undefined)).rejects.toMatchObject({
    code: "database_unreachable",
    hint: expect.stringContaining("trusted sources") as string,
  });
  emulator.rules.forkUsers = "forget";
  expect(await clusters()).toEqual([]);
});

test("killed at any call, the same command goes on, and makes one cluster at most", {
  timeout: 120_000,
}, async () => {
  const args = ["restore", "shop", "--provider", "--new-cluster", NAME, "--keep-on-failure", "--yes"];
  const crash = {
    lanes: [NAME],
    args: () => ["--config", strategy, ...args],
    env: environment(),
    inspect: async () => {
      expect((await clusters()).length).toBeLessThan(2);
      await expectTagged();
    },
    timeStandsStill: false,
  };
  let isMade = false;
  const isChange = momentsOfChange(CHANGES);
  const made = await killAtEveryMoment({
    ...crash,
    only: (moment) => {
      const isTried = isChange(moment) && !isMade;
      isMade ||= moment.startsWith(`after ${CREATE} `);
      return isTried;
    },
    recover: async () => {
      const [id] = await idsOfNamed();
      if (id !== undefined) await ask(emulator, "DELETE", `/v2/databases/${id}`);
    },
  });
  expect(made).toContain(`after ${CREATE} #1`);
  expect(await handled(...args)).toMatchObject({ code: 0 });
  const [id] = await idsOfNamed();
  await dropPool();
  const gone = await killAtEveryMoment({
    ...crash,
    only: momentsOfChange(CHANGES),
    recover: dropPool,
  });
  expect(gone.length).toBeGreaterThan(2);
  expect(await handled(...args)).toMatchObject({ code: 0 });
  expect(await idsOfNamed()).toEqual([id]);
});
