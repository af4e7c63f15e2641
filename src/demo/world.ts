import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { stringify } from "yaml";
import { writeDurable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type ApplicationCommands, restartApplication, stopApplication } from "../operations/application.ts";
import { quoteForShell } from "../operations/schedule/quoting.ts";
import { type Cluster, startCluster } from "../postgres/cluster.ts";
import { resolveConnection } from "../postgres/connection.ts";
import type { TableFingerprint } from "../postgres/fingerprint.ts";
import { freePort } from "../postgres/free-port.ts";
import { connect, quoteIdentifier, type Session } from "../postgres/session.ts";
import { type Emulator, startEmulator } from "./digitalocean/emulator.ts";
import { SHOP_API } from "./shop-api.ts";
import { createData, createPrimary, fillData, fillPrimary, tableFingerprints } from "./platform.ts";

/** The cluster of the managed service that `primary` is in. */
export const CLUSTER = "platform";
// What the application counts in each database.
const SHOWN = ["PRIMARY_DATABASE_URL=customer.organizations", "DATA_DATABASE_URL=reference.products"];
const PRIMARY_SCHEMAS = ["config", "customer"];
const DATA_SCHEMAS = ["workspace", "reference"];
// Nothing of the demo is worth a wait for the disk.
const FAST = { fsync: "off" };

/** Where the databases are, as the application's `.env` says. */
interface Urls {
  readonly PRIMARY_DATABASE_URL: string;
  readonly DATA_DATABASE_URL: string;
}

/** A small company: a managed service, servers of its own, an application, and a strategy. */
export interface World extends AsyncDisposable {
  readonly folder: string;
  readonly config: string;
  readonly envFile: string;
  readonly backups: string;
  /** The managed service; another one once everything was lost. */
  service: Emulator;
  /** What works on both databases. */
  readonly application: ApplicationCommands;
  /** Its own server; another one once it was lost. */
  vps: Cluster;
  /** Starts another server of the company's own. */
  newServer(name: string): Promise<Cluster>;
  /** Every server, the application with its `.env`, the strategy and what was kept of runs: gone. The backups stay. */
  wipe(): Promise<void>;
  /** Installs the application again, as from its repository: with a `.env` that still says where the databases were. */
  deploy(): Promise<void>;
  /** Has an account at a managed service again, with an empty cluster, and tells the strategy. Returns the URL for `primary` there. */
  openAccount(): Promise<string>;
  /** Writes into the application's `.env` where a database is now, and starts the application anew. */
  pointAt(variable: keyof Urls, url: string): Promise<void>;
  /** What the application's `.env` says now. */
  urls(): Promise<Urls>;
  /** What `handled` is given of the environment. */
  environment(): Promise<Readonly<Record<string, string>>>;
  /** Rows and digest of every table that the strategy protects, wherever the databases are now. */
  state(): Promise<TableFingerprint[]>;
  /** Does something in a database, by its URL. */
  withSession<T>(url: string, work: (session: Session) => Promise<T>): Promise<T>;
}

/**
 * Sets the company up in an empty folder, with its data. Disposing ends the application and all servers.
 * @param scale how many rows there are; about 460,000 at 1
 */
export async function makeWorld(
  runtime: Runtime,
  { folder, node, scale }: { readonly folder: string; readonly node: string; readonly scale: number },
  signal: AbortSignal,
): Promise<World> {
  await using made = new AsyncDisposableStack();
  const servers: Cluster[] = [];
  made.defer(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  const newServer = async (name: string): Promise<Cluster> => {
    const at = { folder: join(folder, name), auth: "scram-sha-256", settings: FAST } as const;
    const server = await startCluster(runtime, at, signal);
    servers.push(server);
    return server;
  };
  const withSession = async <T>(url: string, work: (session: Session) => Promise<T>): Promise<T> => {
    await using session = await connect(runtime, await resolveConnection(runtime, url, signal), signal);
    return await work(session);
  };
  let provider = made.use(new AsyncDisposableStack());
  const [service, vps] = await Promise.all([
    startEmulator(runtime, { settings: FAST }, signal).then((started) => provider.use(started)),
    newServer("vps"),
  ]);
  const addCluster = async (to: Emulator): Promise<string> => {
    const { url: admin } = await to.makeCluster(CLUSTER);
    await withSession(admin, (session) => session.query("create database primary_db"));
    return to.adminUrl(CLUSTER, "primary_db");
  };
  const primary = await addCluster(service);
  await withSession(vps.url(), (session) => session.query(`create database ${quoteIdentifier("data")}`));
  await withSession(primary, (session) => fill(session, [createPrimary, (to) => fillPrimary(to, scale)]));
  await withSession(vps.url("data"), (session) => fill(session, [createData, (to) => fillData(to, scale)]));
  const config = join(folder, "handled.yaml");
  const envFile = join(folder, ".env");
  const backups = join(folder, "backups");
  const port = await freePort();
  const application = applicationIn(folder, port);
  const writeUrls = async ({ PRIMARY_DATABASE_URL, DATA_DATABASE_URL }: Urls): Promise<void> => {
    await writeDurable(
      envFile,
      `# The application's.\nPRIMARY_DATABASE_URL="${PRIMARY_DATABASE_URL}"\nDATA_DATABASE_URL="${DATA_DATABASE_URL}"\n`,
    );
  };
  const deploy = async (): Promise<void> => {
    await writeDurable(join(folder, "app.sh"), applicationScript(folder, port, node));
    await writeUrls({ PRIMARY_DATABASE_URL: primary, DATA_DATABASE_URL: vps.url("data") });
  };
  await deploy();
  made.defer(async () => {
    await stopApplication(runtime, application, AbortSignal.timeout(CLEAN_UP_MS));
  });
  await writeDurable(config, strategyText({ backups, service, application }, node));
  const urls = async (): Promise<Urls> => {
    const { PRIMARY_DATABASE_URL = "", DATA_DATABASE_URL = "" } = parseEnv(await readFile(envFile, "utf8"));
    return { PRIMARY_DATABASE_URL, DATA_DATABASE_URL };
  };
  const all = made.move();
  const world: World = {
    folder,
    config,
    envFile,
    backups,
    service,
    application,
    vps,
    newServer,
    wipe: async () => {
      await stopApplication(runtime, application, signal);
      for (const server of servers) {
        await server.stop("immediate");
        await rm(server.folder, { recursive: true, force: true });
      }
      await provider.disposeAsync();
      for (const name of ["app.sh", "app.log", ".env", "handled.yaml", "state"])
        await rm(join(folder, name), { recursive: true, force: true });
    },
    deploy,
    openAccount: async () => {
      provider = all.use(new AsyncDisposableStack());
      const opened = provider.use(await startEmulator(runtime, { settings: FAST }, signal));
      const strategy = await readFile(config, "utf8");
      await writeDurable(config, strategy.replaceAll(world.service.url, opened.url));
      world.service = opened;
      return await addCluster(opened);
    },
    pointAt: async (variable, url) => {
      await writeUrls({ ...(await urls()), [variable]: url });
      await restartApplication(runtime, application, signal);
    },
    urls,
    environment: async () => ({
      ...(await urls()),
      DIGITALOCEAN_TOKEN: world.service.token,
      HOME: folder,
      XDG_STATE_HOME: join(folder, "state"),
      TMPDIR: folder,
    }),
    state: async () => {
      const { PRIMARY_DATABASE_URL, DATA_DATABASE_URL } = await urls();
      const read = (url: string, schemas: readonly string[]): Promise<TableFingerprint[]> =>
        withSession(url, (session) => tableFingerprints(session, schemas));
      return [
        ...(await read(PRIMARY_DATABASE_URL, PRIMARY_SCHEMAS)),
        ...(await read(DATA_DATABASE_URL, DATA_SCHEMAS)),
      ];
    },
    withSession,
    [Symbol.asyncDispose]: async () => {
      await all[Symbol.asyncDispose]();
    },
  };
  return world;
}

async function fill(
  session: Session,
  fillers: readonly ((session: Session) => Promise<void>)[],
): Promise<void> {
  for (const filler of fillers) await filler(session);
  await session.query("analyze");
}

const CLEAN_UP_MS = 30_000;

/** An application that is one process, stopped and started by a shell. */
function applicationIn(folder: string, port: number): ApplicationCommands {
  const command = `sh ${quoteForShell(join(folder, "app.sh"))}`;
  return {
    stop: `${command} stop`,
    start: `${command} start`,
    health: `http://127.0.0.1:${port}/health`,
    healthTimeoutMs: 60_000,
  };
}

function applicationScript(folder: string, port: number, node: string): string {
  const api = [node, SHOP_API, ".env", String(port), ...SHOWN].map(quoteForShell).join(" ");
  return `cd ${quoteForShell(folder)}
stop() {
  if pid=$(cat app.pid 2>/dev/null); then
    kill "$pid" 2>/dev/null
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  fi
  rm -f app.pid
}
case $1 in
  stop) stop ;;
  start) stop; ${api} >>app.log 2>&1 & echo $! >app.pid ;;
esac
`;
}

/** The strategy of the demo: the one of the platform that Handled was made for. */
function strategyText(
  { backups, service, application }: Pick<World, "backups" | "service" | "application">,
  node: string,
): string {
  const trial = `exec ${[node, SHOP_API, "/dev/null"].map(quoteForShell).join(" ")} "$PORT" DATA_DATABASE_URL=reference.products`;
  const { stop, start, health } = application;
  return stringify(
    {
      version: 1,
      timezone: "UTC",
      repositories: { local: { url: backups } },
      application: { stop, start, health, healthTimeout: "60s", envFile: ".env" },
      databases: {
        primary: {
          url: "${PRIMARY_DATABASE_URL}",
          variable: "PRIMARY_DATABASE_URL",
          schemas: PRIMARY_SCHEMAS,
          criticality: "critical",
          objectives: { rpo: "24h", rto: "1h", proof: "35d" },
          provider: {
            kind: "digitalocean",
            cluster: CLUSTER,
            database: "primary_db",
            token: "${DIGITALOCEAN_TOKEN}",
            endpoint: service.url,
          },
          backups: [{ name: "nightly", format: "custom", schedule: "0 3 * * *", keep: { days: 14 } }],
          verify: [{ name: "monthly", level: "content", schedule: "0 5 1 * *" }],
        },
        data: {
          url: "${DATA_DATABASE_URL}",
          variable: "DATA_DATABASE_URL",
          schemas: DATA_SCHEMAS,
          criticality: "medium",
          objectives: { rpo: "24h", rto: "4h", proof: "35d" },
          backups: [{ name: "nightly", kind: "snapshot", schedule: "0 2 * * *", keep: { days: 14 } }],
          verify: [{ name: "weekly", level: "content", schedule: "0 5 * * 0" }],
          drills: [{ name: "quarterly", scenario: "server-lost", schedule: "0 6 1 1,4,7,10 *" }],
          trial: { start: trial, health: "/health", databaseVariable: "DATA_DATABASE_URL" },
        },
      },
      duties: [
        {
          name: "dashboard-review",
          every: "weekly",
          what: "Look at the provider's dashboard: are there backups?",
        },
      ],
      contacts: [{ name: "Ada Example", role: "on call", phone: "+49 30 1234567" }],
    },
    { lineWidth: 0 },
  );
}
