import { join } from "node:path";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatCount, formatDuration } from "../lib/text.ts";
import { startApplication, waitUntilHealthy } from "../operations/application.ts";
import { makeServerFolder, removeServerFolder } from "../operations/server-folder.ts";
import type { TableFingerprint } from "../postgres/fingerprint.ts";
import { DISASTERS, requireAllBack, timesAgainstBudgets } from "./disasters.ts";
import { CLUSTER, makeWorld, type World } from "./world.ts";

/** How the demo shows itself and runs the program. */
export interface DemoStage {
  /** A headline. */
  title(text: string): void;
  say(text: string): void;
  /** Runs `handled` with these arguments as a process of its own in a folder, its output shown; returns its exit code. */
  handled(args: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<number>;
  /** The Node that runs us, and the application of the demo. */
  readonly node: string;
  /** Absolute path of a file that is to have the runbook of the demo; undefined: it goes with the demo's folder. */
  readonly runbook: string | undefined;
  /** A tenth of the rows, and no disasters. */
  readonly quick: boolean;
  /** Shows the dashboard until the user has seen enough; undefined: the story is all there is. */
  readonly serve: ((at: DemoPlace) => Promise<void>) | undefined;
}

/** Where what is left of the story can be looked at. */
export interface DemoPlace {
  /** With the strategy, `handled.yaml`. */
  readonly folder: string;
  /** Of whatever is started there. */
  readonly env: Readonly<Record<string, string>>;
}

export interface DemoReport {
  /** Every step with its time in milliseconds. */
  readonly steps: readonly { readonly title: string; readonly durationMs: number }[];
  /** What each recovery took, in milliseconds. */
  readonly disasters: readonly { readonly title: string; readonly budgetMs: number; readonly ms: number }[];
  readonly rows: number;
  readonly tables: number;
}

const QUICK_SCALE = 0.1;
// The newest hundredth of the prices, which lie together.
const PRICE_CHANGE = `update reference.prices set amount = amount * 1.05
   where id > (select max(id) - count(*) / 100 from reference.prices)`;

/**
 * The whole story on throw-away servers: two databases are filled, backed up, proven, hit by the four disasters, and brought
 * back by plan; each time every table's rows and digests are compared with those before. Fails with `rows_differ` when anything is missing.
 */
export async function runDemo(runtime: Runtime, stage: DemoStage, signal: AbortSignal): Promise<DemoReport> {
  const folder = await makeServerFolder(runtime, "demo", signal);
  try {
    return await tellStory(runtime, stage, folder, signal);
  } finally {
    // Not the user's signal: Ctrl-C is the usual end of a demo, and the servers must go all the same.
    await removeServerFolder(runtime, folder, AbortSignal.timeout(CLEAN_UP_MS));
  }
}

const CLEAN_UP_MS = 30_000;

async function tellStory(
  runtime: Runtime,
  stage: DemoStage,
  folder: string,
  signal: AbortSignal,
): Promise<DemoReport> {
  const { quick } = stage;
  const steps: { title: string; durationMs: number }[] = [];
  const step: Step = async (title, work) => {
    stage.title(title);
    const started = runtime.clock.monotonic();
    const result = await work();
    steps.push({ title, durationMs: runtime.clock.monotonic() - started });
    return result;
  };

  await using world = await step(
    "A managed service and a server of one's own; users and customers on one, imports and a catalogue on the other",
    async () =>
      await makeWorld(runtime, { folder, node: stage.node, scale: quick ? QUICK_SCALE : 1 }, signal),
  );
  const handled: Handled = async (args) => {
    const code = await stage.handled(args, world.folder, await world.environment());
    signal.throwIfAborted();
    if (code !== 0)
      throw new AppError("unexpected", `demo: \`handled ${args.join(" ")}\` ended with exit code ${code}`);
  };
  const filled = await world.state();
  stage.say(`${counted(sumRows(filled), "row")} in ${counted(filled.length, "table")}`);
  await step("Back both up", () => handled(["backup"]));
  const before = await step("Prices change; the next snapshot reads and stores only what did", async () => {
    const { DATA_DATABASE_URL } = await world.urls();
    await world.withSession(DATA_DATABASE_URL, (session) => session.query(PRICE_CHANGE));
    await handled(["backup", "data"]);
    await world.service.takeBackup(CLUSTER);
    return await world.state();
  });
  await step("Could it be brought back? Restored into throw-away servers, and compared", () =>
    handled(["verify"]),
  );
  if (!quick) await rehearse(stage, step, handled, folder);
  await step("The application that works on both starts", async () => {
    await startApplication(runtime, world.application, signal);
    await waitUntilHealthy(runtime, world.application, signal);
  });
  const disasters = quick ? [] : await strikeAll(runtime, stage, { step, handled, world, before }, signal);
  tellTimes(stage, steps);
  await stage.serve?.({ folder, env: await world.environment() });
  return { steps, disasters, rows: sumRows(filled), tables: filled.length };
}

type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>;
/** Fails unless the command ends well. */
type Handled = (args: readonly string[]) => Promise<void>;

async function rehearse(stage: DemoStage, step: Step, handled: Handled, folder: string): Promise<void> {
  await step("Rehearsed: the lost server, on one to throw away", () =>
    handled(["drill", "server-lost", "data"]),
  );
  await step("Rehearsed: the provider that is down, in a cluster to throw away", () =>
    handled(["drill", "provider-down", "primary"]),
  );
  await step("The runbook, written from what is there now", async () => {
    const file = stage.runbook ?? join(folder, "runbook.html");
    await handled(["runbook", "--file", file]);
  });
  await step("What is there?", () => handled(["list"]));
}

/** Strikes each disaster, recovers, and compares every row with those before. */
async function strikeAll(
  runtime: Runtime,
  stage: DemoStage,
  story: {
    readonly step: Step;
    readonly handled: Handled;
    readonly world: World;
    readonly before: readonly TableFingerprint[];
  },
  signal: AbortSignal,
): Promise<DemoReport["disasters"]> {
  const { step, handled, world, before } = story;
  const disasters: { title: string; budgetMs: number; ms: number }[] = [];
  for (const disaster of DISASTERS) {
    const { title, budgetMs } = disaster;
    await step(title, () => disaster.strike(world, (text) => stage.say(text)));
    const started = runtime.clock.monotonic();
    await step(`${title}: recovered by its plan`, async () => handled(await disaster.recover(world)));
    disasters.push({ title, budgetMs, ms: runtime.clock.monotonic() - started });
    stage.say(requireAllBack(before, await world.state()));
    await waitUntilHealthy(runtime, world.application, signal);
  }
  if (stage.serve !== undefined) {
    await step(
      "The day after: primary moves to a managed service again, and both are backed up and proven",
      async () => {
        const url = await world.openAccount();
        await handled(["restore", "primary", "latest", "--to", url, "--yes"]);
        await world.pointAt("PRIMARY_DATABASE_URL", url);
        await handled(["backup"]);
        await handled(["verify"]);
        stage.say(requireAllBack(before, await world.state()));
      },
    );
  }
  await step("Where do we stand?", async () => {
    // What is wrong after a disaster is for a person to see.
    const code = await stage.handled(["status"], world.folder, await world.environment());
    if (![0, 4].includes(code))
      throw new AppError("unexpected", `demo: \`handled status\` ended with exit code ${code}`);
  });
  stage.title("The disasters, against their budgets");
  for (const line of timesAgainstBudgets(disasters)) stage.say(line);
  return disasters;
}

const sumRows = (tables: readonly TableFingerprint[]): number =>
  tables.reduce((sum, table) => sum + table.rows, 0);

function tellTimes(stage: DemoStage, steps: readonly { title: string; durationMs: number }[]): void {
  stage.title("The story in times");
  const total = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const lines = [...steps, { title: `All ${formatCount(steps.length)} steps`, durationMs: total }];
  for (const { title, durationMs } of lines)
    stage.say(`${formatDuration(durationMs).padStart(10)}  ${title}`);
}
