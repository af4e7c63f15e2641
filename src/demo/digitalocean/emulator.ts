import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import { type Runtime, silentObserver } from "../../lib/runtime.ts";
import { makeServerFolder, removeServerFolder } from "../../operations/server-folder.ts";
import { findServerPrograms } from "../../postgres/cluster-control.ts";
import { findInstallations, majorOf } from "../../postgres/clients.ts";
import { accessRoutes } from "./access-routes.ts";
import { Account, type AccountRules, DAY_MS, type Mishap } from "./account.ts";
import { clusterRoutes } from "./cluster-routes.ts";
import { keepTime, passTime } from "./daily-backups.ts";
import { databaseRoutes } from "./database-routes.ts";
import { Faults } from "./faults.ts";
import { type SeenRequest, startApiServer } from "./http-server.ts";
import { connectionView } from "./cluster-view.ts";
import { ADMIN, DEFAULT_DATABASE, type ListedBackup } from "./managed-cluster.ts";
import type { ServerTls, Service } from "./managed-server.ts";
import { RateLimit } from "./rate-limit.ts";
import type { CreateRequest } from "./requests.ts";
import { ServiceTime } from "./service-time.ts";

export interface EmulatorOptions extends Partial<Omit<AccountRules, "majors">> {
  /** Default: one that is made up. */
  readonly token?: string;
  /** Requests within an hour. */
  readonly rateLimit?: number;
  readonly tls?: ServerTls;
  readonly enforceFirewall?: boolean;
  /** More lines of each server's postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The emulated service, and the hand of fate. Clusters are named by their names. Disposing removes everything. */
export interface Emulator extends AsyncDisposable {
  /** Where the API is: `http://127.0.0.1:…`. */
  readonly url: string;
  readonly token: string;
  /** The service's time, which `passTime` moves; waits are real. */
  readonly clock: Clock;
  /** What was asked so far, in order. */
  readonly requests: readonly SeenRequest[];
  readonly faults: Faults;
  readonly rules: AccountRules;
  /** Lets time pass, with all backups that fall due. */
  passTime(ms: number): Promise<void>;
  /**
   * Makes a cluster as a customer would, of the smallest size where nothing else is said, and returns when it is online. Its URL is the
   * administrator's.
   */
  makeCluster(
    name: string,
    more?: Partial<CreateRequest>,
  ): Promise<{ readonly id: string; readonly url: string }>;
  /** The administrator's URL of a database in a cluster; default `defaultdb`. */
  adminUrl(name: string, database?: string): string;
  /** Resolves once all that goes on in the background of a cluster is done; rejects when it cannot be made. */
  settled(name: string): Promise<void>;
  /** Superuser's URL, which the real service gives to nobody: to look behind the scenes. */
  superuserUrl(name: string, database?: string): string;
  takeBackup(name: string): Promise<Date>;
  /** Whether a cluster's daily backups are taken. */
  setDailyBackups(name: string, taken: boolean): void;
  /** Lists a backup (default: the newest) with another size. */
  setBackupSize(name: string, gigabytes: number, createdAt?: Date): void;
  dropBackups(name: string): Promise<void>;
  /** What becomes of the next cluster that is made. */
  nextCluster(mishap: Mishap): void;
  /** The server stops; its disk stays. */
  stopServer(name: string): Promise<void>;
  startServer(name: string): Promise<void>;
  /** The server is killed, and its disk is gone; backups stay. */
  wreck(name: string): Promise<void>;
}

/**
 * Starts the emulator of a managed-database service, with real servers behind it. Fails with `client_missing` where there are no
 * programs of PostgreSQL servers.
 */
export async function startEmulator(
  outside: Runtime,
  options: EmulatorOptions,
  signal: AbortSignal,
): Promise<Emulator> {
  // What goes on behind the service is no operation of whoever asks it.
  const runtime: Runtime = { ...outside, observer: silentObserver };
  await findServerPrograms(runtime, undefined, signal);
  const installed = await findInstallations(runtime, "initdb", signal);
  const majors = [...new Set(installed.map(({ version }) => majorOf(version)))];
  const folder = await makeServerFolder(runtime, "demo", signal);
  const token = options.token ?? `dop_v1_${randomBytes(32).toString("hex")}`;
  const time = new ServiceTime(runtime.clock);
  const account = new Account(serviceOf(runtime, folder, time, options), rulesOf(options, majors));
  const faults = new Faults();
  const requests: SeenRequest[] = [];
  const end = new AbortController();
  const { clock } = runtime;
  try {
    const server = await startApiServer({
      routes: [...clusterRoutes(account), ...accessRoutes(account), ...databaseRoutes(account)],
      token,
      faults,
      limit: new RateLimit(options.rateLimit ?? 5000, 60 * 60 * 1000),
      clock,
      seen: (request) => void requests.push(request),
    });
    const ticking = keepTime(account, end.signal).catch((error: unknown) => {
      if (!end.signal.aborted)
        runtime.reporter.warn(`the emulated service's clock stopped: ${String(error)}`);
    });
    return {
      url: server.url,
      token,
      clock: { ...clock, now: () => time.now() },
      requests,
      faults,
      rules: account.rules,
      ...handOf(account),
      [Symbol.asyncDispose]: async () => {
        end.abort();
        await server[Symbol.asyncDispose]();
        await ticking;
        await Promise.all([...account.clusters.values()].map((cluster) => account.remove(cluster)));
        await removeServerFolder(runtime, folder, AbortSignal.timeout(CLEAN_UP_MS));
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

const CLEAN_UP_MS = 30_000;

function serviceOf(
  runtime: Runtime,
  folder: string,
  time: ServiceTime,
  { tls, enforceFirewall = false, settings = {} }: EmulatorOptions,
): Service {
  const password = randomBytes(18).toString("base64url");
  return { runtime, folder, time, password, tls, enforceFirewall, settings };
}

function rulesOf(options: EmulatorOptions, majors: readonly number[]): AccountRules {
  return {
    maxClusters: options.maxClusters ?? 10,
    quotaStatus: options.quotaStatus ?? 422,
    arbitrarySeconds: options.arbitrarySeconds ?? "accept",
    onlineAfter: options.onlineAfter ?? 0,
    forkStatus: options.forkStatus ?? "creating",
    forkUsers: options.forkUsers ?? "keep",
    firstBackup: options.firstBackup ?? true,
    keepBackupsMs: options.keepBackupsMs ?? 7 * DAY_MS,
    majors: majors.toSorted((a, b) => a - b),
  };
}

const SMALLEST = { engine: "pg", num_nodes: 1, size: "db-s-1vcpu-1gb", region: "fra1" };

function handOf(
  account: Account,
): Omit<Emulator, "url" | "token" | "clock" | "requests" | "faults" | "rules" | typeof Symbol.asyncDispose> {
  const { time } = account.service;
  const serverOf = (name: string): NonNullable<ReturnType<Account["byName"]>["server"]> => {
    const { server } = account.byName(name);
    if (server === undefined) throw new Error(`cluster ${name} has no server yet`);
    return server;
  };
  const backupOf = (name: string, createdAt?: Date): ListedBackup => {
    const { backups } = account.byName(name);
    const found =
      createdAt === undefined
        ? backups.at(-1)
        : backups.find((one) => one.createdAt.getTime() === createdAt.getTime());
    if (found === undefined) throw new Error(`cluster ${name} has no such backup`);
    return found;
  };
  const adminUrl = (name: string, database = DEFAULT_DATABASE): string => {
    const user = account.byName(name).users.get(ADMIN);
    if (user === undefined) throw new Error(`cluster ${name} has no administrator yet`);
    const tls = account.service.tls !== undefined;
    return connectionView(serverOf(name), { user, database, tls }).uri;
  };
  const settled = async (name: string): Promise<void> => {
    const cluster = account.byName(name);
    await cluster.work;
    if (cluster.failure !== undefined) throw cluster.failure;
  };
  return {
    makeCluster: async (name, more) => {
      const cluster = account.create({ ...SMALLEST, name, ...more });
      await settled(name);
      return { id: cluster.id, url: adminUrl(name) };
    },
    adminUrl,
    settled,
    passTime: (ms) => passTime(account, new Date(time.now().getTime() + ms)),
    superuserUrl: (name, database) => serverOf(name).url(database),
    takeBackup: async (name) => (await account.backUp(account.byName(name))).createdAt,
    setDailyBackups: (name, taken) => {
      account.byName(name).daily = taken;
    },
    setBackupSize: (name, gigabytes, createdAt) => {
      backupOf(name, createdAt).gigabytes = gigabytes;
    },
    dropBackups: async (name) => {
      const cluster = account.byName(name);
      const dropped = cluster.backups;
      cluster.backups = [];
      for (const { folder } of dropped) await rm(folder, { recursive: true, force: true });
    },
    nextCluster: (mishap) => void account.mishaps.push(mishap),
    stopServer: (name) => serverOf(name).stop("immediate"),
    startServer: (name) => serverOf(name).start(),
    wreck: async (name) => {
      await serverOf(name).stop("immediate");
      await rm(account.byName(name).folders.server, { recursive: true, force: true });
    },
  };
}
