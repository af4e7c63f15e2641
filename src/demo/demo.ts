import { join } from "node:path";
import { type StrategyAnswers, strategyTemplate } from "../config/template.ts";
import { AppError } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatCount, formatDuration } from "../lib/text.ts";
import { makeServerFolder, removeServerFolder } from "../operations/server-folder.ts";
import { type Cluster, startCluster } from "../postgres/cluster.ts";
import { resolveConnection } from "../postgres/connection.ts";
import type { TableFingerprint } from "../postgres/fingerprint.ts";
import { connect, quoteIdentifier, quoteName, type Session } from "../postgres/session.ts";
import { createData, createPrimary, fillData, fillPrimary, tableFingerprints } from "./platform.ts";

/** How the demo shows itself and runs the program. */
export interface DemoStage {
  /** A headline. */
  title(text: string): void;
  say(text: string): void;
  /** Runs `handled` with these arguments as a process of its own, its output shown; returns its exit code. */
  handled(args: readonly string[], env: Readonly<Record<string, string>>): Promise<number>;
  /** Returns when the user has seen enough; at once when the demo is not to serve. */
  linger(folder: string, envFile: string): Promise<void>;
}

export interface DemoReport {
  /** Every step with its time in milliseconds. */
  readonly steps: readonly { readonly title: string; readonly durationMs: number }[];
  readonly rows: number;
  readonly tables: number;
}

const PRIMARY_SCHEMAS = ["config", "customer"];
const DATA_SCHEMAS = ["workspace", "reference"];
// The newest hundredth of the prices, which lie together.
const PRICE_CHANGE = `update reference.prices set amount = amount * 1.05
   where id > (select max(id) - count(*) / 100 from reference.prices)`;
const VICTIM = { schema: "reference", name: "products" };

/**
 * The whole story on throw-away servers: two databases are filled, backed up, hit by an accident, and brought back; every
 * table's rows and digests are compared with those before. Fails with `rows_differ` when anything is missing.
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
  const steps: { title: string; durationMs: number }[] = [];
  const step = async <T>(title: string, work: () => Promise<T>): Promise<T> => {
    stage.title(title);
    const started = runtime.clock.monotonic();
    const result = await work();
    steps.push({ title, durationMs: runtime.clock.monotonic() - started });
    return result;
  };

  const [managed, vps] = await step(
    "Two PostgreSQL servers: one stands for the managed service, one for the VPS",
    () =>
      Promise.all([
        server(runtime, join(folder, "managed"), signal),
        server(runtime, join(folder, "vps"), signal),
      ]),
  );
  await using managedServer = managed;
  await using vpsServer = vps;
  const env = {
    PRIMARY_DATABASE_URL: managedServer.url("primary"),
    DATA_DATABASE_URL: vpsServer.url("data"),
  };
  const filled = await step(
    "A platform's data: users and customers on one, imports and a catalogue on the other",
    async () => {
      await makeDatabase(runtime, managedServer, "primary", [createPrimary, fillPrimary], signal);
      await makeDatabase(runtime, vpsServer, "data", [createData, fillData], signal);
      const state = await readState(runtime, env, signal);
      stage.say(`${counted(sumRows(state), "row")} in ${counted(state.length, "table")}`);
      return state;
    },
  );

  const config = join(folder, "handled.yaml");
  const envFile = join(folder, "handled.env");
  await writeDurable(config, strategyTemplate(strategyAnswers(folder)).yaml);
  await writeDurable(
    envFile,
    Object.entries(env)
      .map(([name, url]) => `${name}='${url}'\n`)
      .join(""),
  );
  const handled = async (args: readonly string[]): Promise<void> => {
    const code = await stage.handled(["--config", config, ...args], env);
    signal.throwIfAborted();
    if (code !== 0)
      throw new AppError("unexpected", `demo: \`handled ${args.join(" ")}\` ended with exit code ${code}`);
  };
  await step("Could a backup run here?", () => handled(["doctor"]));
  await step("Back both up", () => handled(["backup"]));
  await step("An hour later: a snapshot, which takes a table apart", () =>
    handled(["backup", "data", "--kind", "snapshot"]),
  );
  const before = await step("Prices change; the next snapshot reads and stores only what did", async () => {
    await withSession(runtime, env.DATA_DATABASE_URL, signal, (session) => session.query(PRICE_CHANGE));
    await handled(["backup", "data", "--kind", "snapshot"]);
    return await readState(runtime, env, signal);
  });
  await step("Could it be brought back? Restored into a throw-away server, and compared", () =>
    handled(["verify", "data"]),
  );
  await step("What is there?", () => handled(["list"]));

  await step("The accident: somebody empties a table", async () => {
    const victim = quoteName(VICTIM.schema, VICTIM.name);
    await withSession(runtime, env.DATA_DATABASE_URL, signal, (session) =>
      session.query(`truncate ${victim} cascade`),
    );
    const after = await readState(runtime, env, signal);
    const emptied = before.filter((table, index) => table.rows > 0 && after[index]?.rows === 0);
    const lost = sumRows(before) - sumRows(after);
    stage.say(
      `truncate ${victim} cascade: ${counted(lost, "row")} gone from ${emptied.map((table) => `${table.schema}.${table.name}`).join(", ")}`,
    );
    if (lost === 0) throw new AppError("unexpected", "demo: the accident did no damage");
  });
  await step("Bring it back: restore beside, compare, swap by name", () =>
    handled(["restore", "data", "--swap", "--yes"]),
  );
  await step("Is every row back?", async () => {
    const after = await readState(runtime, env, signal);
    const different = before.filter((table, index) => JSON.stringify(table) !== JSON.stringify(after[index]));
    if (different.length > 0 || before.length !== after.length) {
      const names = different.map((table) => `${table.schema}.${table.name}`).join(", ");
      throw new AppError("rows_differ", `demo: not everything is back: ${names || "the tables differ"}`);
    }
    stage.say(
      `yes: ${counted(sumRows(after), "row")} in ${counted(after.length, "table")}, each table with the rows and the digest it had before the accident`,
    );
  });
  await step("Where do we stand?", () => handled(["status"]));
  tellTimes(stage, steps);
  await stage.linger(folder, envFile);
  return { steps, rows: sumRows(filled), tables: filled.length };
}

async function server(runtime: Runtime, folder: string, signal: AbortSignal): Promise<Cluster> {
  return await startCluster(runtime, { folder, auth: "scram-sha-256" }, signal);
}

async function makeDatabase(
  runtime: Runtime,
  cluster: Cluster,
  name: string,
  fillers: readonly ((session: Session) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  await withSession(runtime, cluster.url(), signal, (session) =>
    session.query(`create database ${quoteIdentifier(name)}`),
  );
  await withSession(runtime, cluster.url(name), signal, async (session) => {
    for (const fill of fillers) await fill(session);
    await session.query("analyze");
  });
}

async function withSession<T>(
  runtime: Runtime,
  url: string,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  await using session = await connect(runtime, await resolveConnection(runtime, url, signal), signal);
  return await work(session);
}

/** Rows and digest of every table that the strategy protects. */
async function readState(
  runtime: Runtime,
  env: { readonly PRIMARY_DATABASE_URL: string; readonly DATA_DATABASE_URL: string },
  signal: AbortSignal,
): Promise<TableFingerprint[]> {
  const read = (url: string, schemas: readonly string[]): Promise<TableFingerprint[]> =>
    withSession(runtime, url, signal, (session) => tableFingerprints(session, schemas));
  return [
    ...(await read(env.PRIMARY_DATABASE_URL, PRIMARY_SCHEMAS)),
    ...(await read(env.DATA_DATABASE_URL, DATA_SCHEMAS)),
  ];
}

const sumRows = (tables: readonly TableFingerprint[]): number =>
  tables.reduce((sum, table) => sum + table.rows, 0);

function strategyAnswers(folder: string): StrategyAnswers {
  return {
    repository: join(folder, "backups"),
    databases: [
      {
        name: "primary",
        url: "${PRIMARY_DATABASE_URL}",
        schemas: PRIMARY_SCHEMAS,
        criticality: "critical",
        rpo: "24h",
        rto: "1h",
        format: "custom",
        schedule: "0 3 * * *",
        keepDays: 14,
      },
      {
        name: "data",
        url: "${DATA_DATABASE_URL}",
        schemas: DATA_SCHEMAS,
        criticality: "medium",
        rpo: "24h",
        rto: "4h",
        format: "plain",
        schedule: "0 2 * * *",
        keepDays: 14,
      },
    ],
  };
}

function tellTimes(stage: DemoStage, steps: readonly { title: string; durationMs: number }[]): void {
  stage.title("The story in times");
  const total = steps.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const lines = [...steps, { title: `All ${formatCount(steps.length)} steps`, durationMs: total }];
  for (const { title, durationMs } of lines)
    stage.say(`${formatDuration(durationMs).padStart(10)}  ${title}`);
}
