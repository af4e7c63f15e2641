import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { AppError } from "../src/errors.ts";
import type { Observer } from "../src/lib/runtime.ts";
import { DigitalOcean } from "../src/providers/digitalocean/digitalocean.ts";
import { type PlanResult, runPlan } from "../src/recovery/run-plan.ts";
import { planProviderDown } from "../src/recovery/scenarios/provider-down.ts";
import { clustersBeside, impatient, type SaidCluster, testEmulator } from "./support/emulator.ts";
import { runSql } from "./support/postgres.ts";
import { refuseEach } from "./support/refuse-each.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// The drill of a service that is down: its plan alone, through the service and nowhere else.

let emulator: Emulator;
let folder: TemporaryFolder;
let envText: string;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  const { url } = await emulator.makeCluster("shop");
  envText = `PRIMARY_DATABASE_URL="${url}"\n`;
  await runSql(url, "create table orders as select 1 as id");
  await emulator.takeBackup("shop");
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => await writeEnv());

async function writeEnv(): Promise<void> {
  await writeFile(join(folder.path, ".env"), envText);
}

async function made(): Promise<SaidCluster[]> {
  return await clustersBeside(emulator, "shop");
}

test("a drill leaves no cluster, whether it ends well or not", async () => {
  const { plan, runtime, check } = providerDrill();
  const request = { path: join(folder.path, "state/drill.json"), restart: true, confirm: vi.fn() };
  const well = await runPlan(runtime, plan, request, noAbort());
  expect(well.failed).toBeNull();
  expect(await made()).toEqual([]);
  check.mockRejectedValueOnce(new AppError("application_failed", "no"));
  const ill = await runPlan(runtime, plan, request, noAbort());
  expect(ill.failed?.step.id).toBe("check");
  expect(check).toHaveBeenCalledTimes(2);
  expect(request.confirm).not.toHaveBeenCalled();
  expect(await made()).toEqual([]);
});

test("whichever of the service's answers is a refusal, the drill says so and switches nothing, and no cluster is forgotten", async () => {
  const journals = join(folder.path, "state");
  let failed: PlanResult["failed"] | undefined;
  let switched: boolean;
  await refuseEach(emulator, {
    journals,
    strike: writeEnv,
    run: async (observer, signal) => {
      const { plan, runtime } = providerDrill(observer);
      const request = { path: join(journals, "drill.json"), restart: false, confirm: vi.fn() };
      const ran = await runPlan(runtime, plan, request, signal).catch(() => undefined);
      ({ failed } = ran ?? {});
      switched = (await readFile(join(folder.path, ".env"), "utf8")) !== envText;
      return [...runtime.warnings, ...runtime.notes, failed?.error.message].join("\n");
    },
    check: async (told, call) => {
      const isOver = call === undefined || call.startsWith("step check");
      expect(failed?.step.id, `${call}: ${told}`).toBe(isOver ? undefined : /step (\w+)/.exec(call)?.[1]);
      if (!isOver) expect(told, call).toContain("answered 422");
      expect(switched, call).toBe(isOver);
      await Promise.resolve();
    },
  });
});

/** The drill of a service that is down, which has nowhere else to go, and the application as a copy of the `.env`. */
function providerDrill(observer: Observer = () => {}) {
  const { url: endpoint, token } = emulator;
  const runtime = testRuntime({ clock: impatient(emulator), observer });
  const check = vi.fn(async () => {
    expect(await made()).toHaveLength(1);
  });
  const plan = planProviderDown(runtime, {
    subject: {
      database: "primary",
      places: [],
      schemas: undefined,
      timeZone: "UTC",
      keepReplacedMs: 0,
      lockTimeoutMs: 0,
      jobs: 1,
      rebuild: undefined,
      assertions: [],
      despiteAssertions: false,
    },
    managed: {
      name: "primary",
      settings: {
        kind: "digitalocean",
        cluster: "shop",
        token: { text: "", where: "" },
        endpoint,
        statusPage: undefined,
        windowMs: 0,
        database: undefined,
        clusterLimit: undefined,
        price: undefined,
        lifetimeMs: 60_000,
        deadlineMs: 60_000,
      },
      database: "defaultdb",
      open: () => new DigitalOcean(runtime, { endpoint, token }),
      describe: () => [],
    },
    from: undefined,
    at: undefined,
    backup: undefined,
    escape: null,
    application: {
      variable: { file: join(folder.path, ".env"), name: "PRIMARY_DATABASE_URL" },
      described: { restart: null, check: "GET /health" },
      restart: async () => {},
      check,
    },
    inUse: async () => await Promise.resolve([]),
    isDrill: true,
  });
  return { plan, runtime, check };
}
