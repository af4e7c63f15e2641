import type { z } from "zod";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { CopiedAccess, NewCluster, Provider, ProviderBackup, ProviderCluster } from "../provider.ts";
import { Api, type ApiSettings } from "./api.ts";
import { answers, requests } from "./contract.ts";
import { isSameRestore, lifetimeOf, TAG, tagsOf } from "./tags.ts";

type Cluster = z.output<typeof answers.cluster>["database"];

const GIGABYTE = 1e9;
const CREATE_TRIES = 3;

/** DigitalOcean's managed databases; docs/design/digitalocean.md says what of this its contract promises. */
export class DigitalOcean implements Provider {
  readonly place: string;
  readonly #runtime: Runtime;
  readonly #api: Api;

  constructor(runtime: Runtime, settings: ApiSettings) {
    this.place = new URL(settings.endpoint).host;
    this.#runtime = runtime;
    this.#api = new Api(runtime, settings);
  }

  async clusters(signal: AbortSignal): Promise<ProviderCluster[]> {
    return (await this.#list(signal)).map((one) => this.#clusterOf(one));
  }

  async find(cluster: string, signal: AbortSignal): Promise<ProviderCluster> {
    return this.#clusterOf(await this.#find(cluster, signal));
  }

  async look(id: string, signal: AbortSignal): Promise<ProviderCluster> {
    return this.#clusterOf((await this.#api.get(pathOf(id), answers.cluster, signal)).database);
  }

  async addresses(id: string, signal: AbortSignal): Promise<string[]> {
    const { database } = await this.#api.get(pathOf(id), answers.cluster, signal);
    return [database, ...(await this.#pools(id, signal))]
      .flatMap(({ connection, private_connection }) => [connection, private_connection])
      .flatMap((one) =>
        one?.host && one.port !== undefined ? [`${one.host}:${one.port}`.toLowerCase()] : [],
      );
  }

  async backups({ id }: ProviderCluster, signal: AbortSignal): Promise<ProviderBackup[]> {
    const { backups } = await this.#api.get(`${pathOf(id)}/backups`, answers.backups, signal);
    return backups
      .map((one) => ({
        createdAt: new Date(one.created_at),
        bytes: Math.round(one.size_gigabytes * GIGABYTE),
      }))
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
  }

  async restoreToNew({ name, source, at, until }: NewCluster, signal: AbortSignal): Promise<ProviderCluster> {
    const { database: from } = await this.#api.get(pathOf(source.id), answers.cluster, signal);
    const body = requests.createCluster.parse({
      name,
      engine: "pg",
      version: from.version,
      num_nodes: from.num_nodes,
      size: from.size,
      region: from.region,
      private_network_uuid: from.private_network_uuid || undefined,
      project_id: from.project_id || undefined,
      storage_size_mib: from.storage_size_mib || undefined,
      tags: tagsOf({ source, until, at }),
      rules: await this.#rulesOf(source.id, signal),
      backup_restore: { database_name: from.name, backup_created_at: timeText(at) },
    });
    return this.#clusterOf(await this.#create(body, signal));
  }

  async copyAccess(from: ProviderCluster, to: ProviderCluster, signal: AbortSignal): Promise<CopiedAccess> {
    const rules = await this.#rulesOf(from.id, signal);
    await this.#api.put(`${pathOf(to.id)}/firewall`, requests.setFirewall.parse({ rules }), signal);
    const [wanted, there] = [await this.#users(from.id, signal), await this.#users(to.id, signal)];
    const newUsers: string[] = [];
    for (const { name, settings } of wanted.filter((user) => !there.some((one) => one.name === user.name))) {
      const replication = settings?.pg_allow_replication;
      const body = requests.createUser.parse({
        name,
        ...(replication === undefined ? {} : { settings: { pg_allow_replication: replication } }),
      });
      const { user } = await this.#api.post(`${pathOf(to.id)}/users`, body, answers.user, signal);
      this.#runtime.secrets.add(user.password);
      newUsers.push(name);
    }
    return { sources: rules.length, newUsers, ...(await this.#copyPools(from.id, to.id, signal)) };
  }

  async destroy(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#api.delete(pathOf(id), signal);
    } catch (error) {
      if (!isAppError(error, "provider_refused") || !hasStatus(error, 404)) throw error;
    }
  }

  async #copyPools(
    from: string,
    to: string,
    signal: AbortSignal,
  ): Promise<Pick<CopiedAccess, "newPools" | "lacking">> {
    const [wanted, there] = [await this.#pools(from, signal), await this.#pools(to, signal)];
    const newPools: string[] = [];
    const lacking: string[] = [];
    for (const pool of wanted.filter(({ name }) => !there.some((one) => one.name === name))) {
      const { name, mode, size, db, user } = pool;
      const body = requests.createPool.safeParse({ name, mode, size, db, user: user || undefined });
      try {
        if (!body.success) throw new AppError("provider_refused", `mode ${mode} is not known`);
        await this.#api.post(`${pathOf(to)}/pools`, body.data, answers.pool, signal);
        newPools.push(name);
      } catch (error) {
        // A pool of a database that the backup does not have: the rows are there all the same.
        if (!isAppError(error, "provider_refused")) throw error;
        lacking.push(`pool ${name}: ${error.message}`);
      }
    }
    return { newPools, lacking };
  }

  /**
   * An answer that never came says nothing, and a refusal may be that of a name which an earlier request has taken: the cluster is
   * looked for by tags and name before it is asked for again.
   */
  async #create(body: z.output<typeof requests.createCluster>, signal: AbortSignal): Promise<Cluster> {
    for (let tried = 1; ; tried++) {
      try {
        return (await this.#api.post("/v2/databases", body, answers.cluster, signal)).database;
      } catch (error) {
        const isUnknown = isAppError(error, "provider_unreachable");
        if (!isUnknown && !(isAppError(error, "provider_refused") && hasStatus(error, 409, 422))) throw error;
        const made = (await this.#list(signal, TAG)).find(
          ({ name, tags }) => name === body.name && isSameRestore(tags ?? [], body.tags ?? []),
        );
        if (made !== undefined) return made;
        if (!isUnknown || tried === CREATE_TRIES) throw error;
      }
    }
  }

  async #find(cluster: string, signal: AbortSignal): Promise<Cluster> {
    const all = await this.#list(signal);
    const found = all.find(({ id, name }) => id === cluster || name === cluster);
    if (found !== undefined) return found;
    throw new AppError("provider_refused", `find cluster ${cluster}: ${this.place} has none of PostgreSQL`, {
      hint:
        all.length === 0
          ? "is the token that of the right team?"
          : `it has ${all.map(({ name }) => name).join(", ")}`,
    });
  }

  async #list(signal: AbortSignal, tag?: string): Promise<Cluster[]> {
    const path = `/v2/databases${tag === undefined ? "" : `?tag_name=${encodeURIComponent(tag)}`}`;
    const { databases } = await this.#api.get(path, answers.clusters, signal);
    return (databases ?? []).filter(({ engine }) => engine === "pg");
  }

  async #rulesOf(id: string, signal: AbortSignal): Promise<z.output<typeof requests.setFirewall>["rules"]> {
    const { rules } = await this.#api.get(`${pathOf(id)}/firewall`, answers.firewall, signal);
    const plain = (rules ?? []).map(({ type, value, description }) => ({
      type,
      value,
      ...(description ? { description } : {}),
    }));
    const parsed = requests.setFirewall.safeParse({ rules: plain });
    if (parsed.success) return parsed.data.rules;
    throw new AppError(
      "provider_refused",
      "copy trusted sources: one is of a kind that Handled does not know",
    );
  }

  async #users(id: string, signal: AbortSignal) {
    const { users } = await this.#api.get(`${pathOf(id)}/users`, answers.users, signal);
    for (const { password } of users ?? []) this.#runtime.secrets.add(password);
    return users ?? [];
  }

  async #pools(id: string, signal: AbortSignal) {
    return (await this.#api.get(`${pathOf(id)}/pools`, answers.pools, signal)).pools ?? [];
  }

  #clusterOf(cluster: Cluster): ProviderCluster {
    const { id, name, status, created_at, size, region, num_nodes, version = null, tags } = cluster;
    const { connection, users } = cluster;
    for (const one of [connection, ...(users ?? [])]) this.#runtime.secrets.add(one?.password);
    const createdAt = created_at === undefined ? null : new Date(created_at);
    const url = connection?.uri || null;
    const lifetime = lifetimeOf(tags ?? []);
    return { id, name, status, createdAt, size, region, nodes: num_nodes, version, lifetime, url };
  }
}

const pathOf = (id: string): string => `/v2/databases/${encodeURIComponent(id)}`;

function hasStatus({ details }: AppError, ...statuses: readonly number[]): boolean {
  return statuses.some((one) => one === details["status"]);
}

/** As the service itself writes times: to the second unless there is more. */
const timeText = (at: Date): string => at.toISOString().replace(".000Z", "Z");
