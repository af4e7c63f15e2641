import { rm } from "node:fs/promises";
import { AppError } from "../../errors.ts";
import type { Account, Mishap } from "./account.ts";
import { connectionView } from "./cluster-view.ts";
import { passTime } from "./daily-backups.ts";
import { ADMIN, DEFAULT_DATABASE, type ListedBackup } from "./managed-cluster.ts";
import { untilReady } from "./replay.ts";
import type { CreateRequest } from "./requests.ts";

/** What the owner of the emulated service can do, and its customers cannot. Clusters are named by their names. */
export interface EmulatorControls {
  /** Lets time pass, with all backups that fall due. */
  passTime(ms: number): Promise<void>;
  /** Lets time pass until it is the machine's, which other processes have. */
  catchUp(): Promise<void>;
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
  /** Returns when it takes connections. */
  startServer(name: string): Promise<void>;
  /** The server is killed, and its disk is gone; backups stay. */
  wreck(name: string): Promise<void>;
}

const SMALLEST = { engine: "pg", num_nodes: 1, size: "db-s-1vcpu-1gb", region: "fra1" };

/** The controls of an account's clusters. */
export function controlsOf(account: Account): EmulatorControls {
  const { time } = account.service;
  const serverOf = (name: string): NonNullable<ReturnType<Account["byName"]>["server"]> => {
    const { server } = account.byName(name);
    if (server === undefined) throw new AppError("usage", `emulated cluster ${name} has no server yet`);
    return server;
  };
  const backupOf = (name: string, createdAt?: Date): ListedBackup => {
    const { backups } = account.byName(name);
    const found =
      createdAt === undefined
        ? backups.at(-1)
        : backups.find((one) => one.createdAt.getTime() === createdAt.getTime());
    if (found === undefined) throw new AppError("usage", `emulated cluster ${name} has no such backup`);
    return found;
  };
  const adminUrl = (name: string, database = DEFAULT_DATABASE): string => {
    const user = account.byName(name).users.get(ADMIN);
    if (user === undefined) throw new AppError("usage", `emulated cluster ${name} has no administrator yet`);
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
    catchUp: () => passTime(account, account.service.runtime.clock.now()),
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
    startServer: async (name) => {
      const server = serverOf(name);
      await server.start();
      await untilReady(account.service, server, account.byName(name).end.signal);
    },
    wreck: async (name) => {
      await serverOf(name).stop("immediate");
      await rm(account.byName(name).folders.server, { recursive: true, force: true });
    },
  };
}
