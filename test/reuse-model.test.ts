import { expect, test } from "vitest";
import { resolveConnection } from "../src/postgres/connection.ts";
import { checkEngine } from "./reuse/engine-check.ts";
import { checkAgainstHistory, newTally, type Pace, type Tally, type Weaken } from "./reuse/history-check.ts";
import { Random } from "./reuse/random.ts";
import { Workload } from "./reuse/workload.ts";
import { freshCluster, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

// A slice of the model test of docs/design/snapshot-engine.md, with another seed each time. The whole of it:
//   HANDLED_MODEL_SECONDS=1320 npx vitest run test/reuse-model.test.ts
// HANDLED_SEED makes the same choices again, though not at the same moments.
const SECONDS = Number(process.env["HANDLED_MODEL_SECONDS"] ?? "20");
const SEED = Number(process.env["HANDLED_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
// Between two snapshots.
const TRANSACTIONS = 65;
// For what cannot be interrupted, and for starting and ending.
const GRACE_MS = 90_000;

const SETTINGS = {
  max_prepared_transactions: "20",
  autovacuum_naptime: "1s",
  autovacuum_vacuum_threshold: "5",
  autovacuum_vacuum_scale_factor: "0.01",
  autovacuum_vacuum_insert_threshold: "5",
  autovacuum_vacuum_insert_scale_factor: "0.01",
  autovacuum_vacuum_cost_delay: "0",
  vacuum_freeze_min_age: "20",
  vacuum_freeze_table_age: "200",
  deadlock_timeout: "100ms",
  log_min_messages: "fatal",
  max_wal_size: "256MB",
};

interface Outcome {
  readonly seed: number;
  readonly transactions: number;
  /** Of the program's own runs, and of its code against earlier states. */
  readonly runs: Tally;
  readonly states: Tally;
  readonly changes: Readonly<Record<string, number>>;
}

/** Changes a database and takes snapshots of it at the same time, for so long, or until one is wrong. */
async function runModel(seed: number, seconds: number, weaken: Weaken | null): Promise<Outcome> {
  await using cluster = await freshCluster({ settings: SETTINGS });
  await using folder = await temporaryFolder();
  const settings = await resolveConnection(testRuntime(), cluster.url(), noAbort());
  const random = new Random(seed);
  const workload = new Workload(cluster.url(), random.fork());
  await workload.prepare();
  const runs = newTally();
  const states = newTally();
  const over = new AbortController();
  const stop = AbortSignal.any([AbortSignal.timeout(seconds * 1000), over.signal]);
  const pace: Pace = {
    settle: async () => await workload.settle(),
    taken: () => workload.allow(TRANSACTIONS),
  };
  const work = [
    checkAgainstHistory(settings, random.fork(), states, weaken, pace, stop),
    checkAgainstHistory(settings, random.fork(), states, weaken, pace, stop),
    ...(weaken === null ? [checkEngine(settings, folder.path, runs, stop)] : []),
    ...[1, 2, 3].map(async () => await workload.write(stop)),
    // What is to be seen is made to happen soon.
    ...[1, 2].map(
      async () =>
        await workload.alter(stop, weaken === null ? undefined : ["cluster", "cluster by another order"]),
    ),
  ];
  // Who ends first, because something is wrong or broken, ends all.
  const ends = await Promise.allSettled(work.map(async (task) => await task.finally(() => over.abort())));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return { seed, transactions: workload.transactions, runs, states, changes: workload.done };
}

test("nothing is taken for unchanged that is not, whatever happens", {
  timeout: SECONDS * 1000 + GRACE_MS,
}, async () => {
  process.stderr.write(`HANDLED_SEED=${SEED}\n`);
  const outcome = await runModel(SEED, SECONDS, null);
  process.stderr.write(`${JSON.stringify(outcome)}\n`);
  const { runs, states, transactions } = outcome;
  expect(runs.wrong, `HANDLED_SEED=${SEED}`).toEqual([]);
  expect(states.wrong, `HANDLED_SEED=${SEED}`).toEqual([]);
  // It did what it is for.
  expect(states.reused).toBeGreaterThan(0);
  expect(transactions).toBeGreaterThan(0);
});

test("the model sees it when the file of a table is not looked at", { timeout: GRACE_MS }, async () => {
  const { states } = await runModel(SEED, 45, (line, now) => ({ ...line, identity: now }));
  expect(states.wrong).not.toEqual([]);
});
