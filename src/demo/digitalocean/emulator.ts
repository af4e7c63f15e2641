import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Clock } from "../../lib/clock.ts";
import { type Runtime, silentObserver } from "../../lib/runtime.ts";
import { makeServerFolder, removeServerFolder } from "../../operations/server-folder.ts";
import { findServerPrograms } from "../../postgres/cluster-control.ts";
import { findInstallations, majorOf } from "../../postgres/clients.ts";
import { accessRoutes } from "./access-routes.ts";
import { Account, type AccountRules, DAY_MS } from "./account.ts";
import { clusterRoutes } from "./cluster-routes.ts";
import { controlsOf, type EmulatorControls } from "./controls.ts";
import { keepTime } from "./daily-backups.ts";
import { databaseRoutes } from "./database-routes.ts";
import { Faults } from "./faults.ts";
import { type SeenRequest, startApiServer } from "./http-server.ts";
import type { ServerTls, Service } from "./managed-server.ts";
import { RateLimit } from "./rate-limit.ts";
import { ServiceStatus } from "./status-page.ts";
import { ServiceTime } from "./service-time.ts";

export interface EmulatorOptions extends Partial<Omit<AccountRules, "majors">> {
  /** Default: one that is made up. */
  readonly token?: string;
  /** Requests within an hour. */
  readonly rateLimit?: number;
  readonly tls?: ServerTls;
  readonly enforceFirewall?: boolean;
  /** How many milliseconds ago the service's time begins; default 0. With `catchUp` it gets a past with backups. */
  readonly startAgo?: number;
  /** More lines of each server's postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** The emulated service, and the hand of fate. Disposing removes everything. */
export interface Emulator extends EmulatorControls, AsyncDisposable {
  /** Where the API is: `http://127.0.0.1:…`. */
  readonly url: string;
  readonly token: string;
  /** The service's time, which `passTime` moves; waits are real. */
  readonly clock: Clock;
  /** What was asked so far, in order. */
  readonly requests: readonly SeenRequest[];
  readonly faults: Faults;
  /** What its status page says, which is at `url` too. */
  readonly status: ServiceStatus;
  readonly rules: AccountRules;
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
  const time = new ServiceTime(runtime.clock, options.startAgo);
  const account = new Account(serviceOf(runtime, folder, time, options), rulesOf(options, majors));
  const faults = new Faults();
  const status = new ServiceStatus();
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
      statusPage: () => status.summary(),
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
      status,
      rules: account.rules,
      ...controlsOf(account),
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
