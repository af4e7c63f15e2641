import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { serverUser } from "../../postgres/server-user.ts";
import { findBackupProgram, takeBaseBackup } from "./base-backup.ts";
import { checkCreate } from "./check-create.ts";
import { type ListedBackup, type ManagedCluster, newCluster } from "./managed-cluster.ts";
import { clusterFolders, makeClusterFolders, type Service } from "./managed-server.ts";
import { provision } from "./provision.ts";
import { notFound, Refusal } from "./refusal.ts";
import type { CreateRequest } from "./requests.ts";
import { type ArbitrarySeconds, type RestoreTarget, restoreTarget } from "./restore-target.ts";

/** What becomes of a cluster that is made, other than that it comes online and works. */
export type Mishap = "never-online" | "error" | "refuses-connections";

/** May be changed at any time. */
export interface AccountRules {
  /** How many clusters there may be. */
  maxClusters: number;
  quotaStatus: 412 | 422;
  arbitrarySeconds: ArbitrarySeconds;
  /** Milliseconds from the request until a cluster is online, at least. */
  onlineAfter: number;
  /** What a fork is while it is being made; the contract has `creating` for every new cluster, and knows of `forking`. */
  forkStatus: "creating" | "forking";
  /** Whether a fork's users are listed and have their passwords, or must be made anew. */
  forkUsers: "keep" | "forget";
  /** Whether there is a backup as soon as a cluster is online. */
  firstBackup: boolean;
  keepBackupsMs: number;
  /** Major versions of PostgreSQL that this machine can run, lowest first. */
  readonly majors: readonly number[];
}

export const DAY_MS = 24 * 60 * 60 * 1000;

/** The clusters of one customer. */
export class Account {
  readonly service: Service;
  readonly rules: AccountRules;
  readonly clusters = new Map<string, ManagedCluster>();
  /** What becomes of the next clusters, in order. */
  readonly mishaps: Mishap[] = [];
  #made = 0;

  constructor(service: Service, rules: AccountRules) {
    this.service = service;
    this.rules = rules;
  }

  byName(name: string): ManagedCluster {
    const found = [...this.clusters.values()].find(({ request }) => request.name === name);
    if (found === undefined) throw notFound(`database cluster ${name}`);
    return found;
  }

  byId(id: string): ManagedCluster {
    const found = this.clusters.get(id);
    if (found === undefined) throw notFound(`database cluster ${id}`);
    return found;
  }

  /** Begins to make a cluster, which `work` of the result goes on with. */
  create(request: CreateRequest): ManagedCluster {
    const { service, rules } = this;
    const major = checkCreate(request, rules.majors);
    if ([...this.clusters.values()].some((one) => one.request.name === request.name))
      throw new Refusal(422, `name: there is a database cluster ${request.name}`);
    if (this.clusters.size >= rules.maxClusters)
      throw new Refusal(rules.quotaStatus, `the account may have ${rules.maxClusters} database clusters`);
    const source =
      request.backup_restore === undefined ? undefined : this.#source(request.backup_restore, major);
    const number = ++this.#made;
    const now = service.time.now();
    // Entered before anything is waited for: two requests at a time must not both get the last place.
    const cluster = newCluster(request, { major, folders: clusterFolders(service, number), now });
    this.clusters.set(cluster.id, cluster);
    const mishap = this.mishaps.shift();
    cluster.work = this.#make(cluster, source, mishap).catch((error: unknown) => {
      cluster.failure = error instanceof Error ? error : new Error(String(error));
      cluster.status = "error";
    });
    // A source is not removed while it is being read.
    if (source !== undefined) {
      const { work } = source.from;
      source.from.work = Promise.all([work, cluster.work]).then(() => undefined);
    }
    return cluster;
  }

  /** Takes a backup now, whether one is due or not. */
  async backUp(cluster: ManagedCluster): Promise<ListedBackup> {
    const { server, folders, end } = cluster;
    if (server === undefined) throw new Refusal(412, `cluster ${cluster.request.name} has no server yet`);
    const { runtime } = this.service;
    const place = {
      runtime,
      programs: await findBackupProgram(runtime, cluster.major, end.signal),
      user: await serverUser(),
      folder: folders.server,
    };
    cluster.backingUp = true;
    try {
      const made = await takeBaseBackup(
        this.service,
        place,
        { server, folders, others: cluster.backups },
        end.signal,
      );
      const listed = { ...made, gigabytes: made.bytes / 1e9 };
      cluster.backups.push(listed);
      return listed;
    } finally {
      cluster.backingUp = false;
    }
  }

  /** Stops the cluster's server, if it has one, and removes all there is of it. */
  async remove(cluster: ManagedCluster): Promise<void> {
    this.clusters.delete(cluster.id);
    cluster.end.abort(new Refusal(404, `database cluster ${cluster.id} was destroyed`));
    await cluster.work;
    await cluster.server?.[Symbol.asyncDispose]();
    await rm(dirname(cluster.folders.wal), { recursive: true, force: true });
  }

  async #make(
    cluster: ManagedCluster,
    source: { readonly from: ManagedCluster; readonly target: RestoreTarget } | undefined,
    mishap: Mishap | undefined,
  ): Promise<void> {
    const { rules, service } = this;
    const { clock } = service.runtime;
    const started = clock.monotonic();
    await makeClusterFolders(cluster.folders, await serverUser());
    if (source !== undefined) cluster.status = rules.forkStatus;
    // Nobody would ever see the server of one that does not come online.
    const comes = mishap === undefined || mishap === "refuses-connections";
    if (comes) {
      await provision(service, cluster, source, rules.forkUsers);
      if (rules.firstBackup) await this.backUp(cluster);
    }
    await clock.wait(Math.max(0, rules.onlineAfter - (clock.monotonic() - started)), cluster.end.signal);
    cluster.nextBackup = new Date(service.time.now().getTime() + DAY_MS);
    if (mishap === "refuses-connections") await cluster.server?.stop("immediate");
    if (comes) cluster.status = "online";
    if (mishap === "error") cluster.status = "error";
  }

  #source(
    asked: NonNullable<CreateRequest["backup_restore"]>,
    major: number,
  ): { from: ManagedCluster; target: RestoreTarget } {
    const from = this.byName(asked.database_name);
    if (from.major !== major) throw new Refusal(422, `version: ${asked.database_name} has ${from.major}`);
    const { arbitrarySeconds } = this.rules;
    const { time } = this.service;
    return { from, target: restoreTarget(from, asked.backup_created_at, { time, arbitrarySeconds }) };
  }
}
