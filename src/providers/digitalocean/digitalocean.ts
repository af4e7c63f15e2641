import { z } from "zod";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { CopiedAccess, NewCluster, Provider, ProviderBackup, ProviderCluster } from "../provider.ts";
import { copyAccess, poolsOf, rulesOf } from "./access.ts";
import { Api, type ApiSettings, pathOf } from "./api.ts";
import { answers, requests } from "./contract.ts";
import { isRefused, makeOnce } from "./make-once.ts";
import { isSameRestore, lifetimeOf, TAG, tagsOf } from "./tags.ts";

type Cluster = z.output<typeof answers.cluster>["database"];

const GIGABYTE = 1e9;

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
    return [database, ...(await poolsOf(this.#api, id, signal))]
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

  async restoreToNew(
    { name, source, at, until, drill }: NewCluster,
    signal: AbortSignal,
  ): Promise<ProviderCluster> {
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
      tags: tagsOf({ source, until, at, drill }),
      rules: await rulesOf(this.#api, source.id, signal),
      backup_restore: { database_name: from.name, backup_created_at: timeText(at) },
    });
    const send = async (): Promise<Cluster> =>
      (await this.#api.post("/v2/databases", body, answers.cluster, signal)).database;
    const find = async (): Promise<Cluster | undefined> =>
      (await this.#list(signal, TAG)).find(
        (one) => one.name === name && isSameRestore(one.tags ?? [], body.tags ?? []),
      );
    return this.#clusterOf(await makeOnce(this.#runtime, { send, find }, signal));
  }

  async copyAccess(from: ProviderCluster, to: ProviderCluster, signal: AbortSignal): Promise<CopiedAccess> {
    return await copyAccess(this.#runtime, this.#api, { from: from.id, to: to.id }, signal);
  }

  async destroy(id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#api.delete(pathOf(id), signal);
    } catch (error) {
      if (!isRefused(error, 404)) throw error;
    }
  }

  async #find(cluster: string, signal: AbortSignal): Promise<Cluster> {
    const all = (await this.#list(signal)).filter(({ engine }) => engine === "pg");
    const found = all.find(({ id, name }) => id === cluster || name === cluster);
    if (found !== undefined) return found;
    if (z.uuid().safeParse(cluster).success) {
      try {
        return (await this.#api.get(pathOf(cluster), answers.cluster, signal)).database;
      } catch (error) {
        if (!isRefused(error, 404)) throw error;
      }
    }
    const others =
      all.length === 0
        ? "is the token that of the right team?"
        : `it has ${all.map(({ name }) => name).join(", ")}.`;
    throw new AppError("provider_refused", `find cluster ${cluster}: ${this.place} has none of PostgreSQL`, {
      hint: `${others} What is gone the service restores for its support alone: its API takes the name of an existing cluster. Your own backups do not need it: \`handled restore DATABASE\``,
    });
  }

  async #list(signal: AbortSignal, tag?: string): Promise<Cluster[]> {
    const path = `/v2/databases${tag === undefined ? "" : `?tag_name=${encodeURIComponent(tag)}`}`;
    const { databases } = await this.#api.get(path, answers.clusters, signal);
    return databases ?? [];
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

/** As the service itself writes times: to the second unless there is more. */
const timeText = (at: Date): string => at.toISOString().replace(".000Z", "Z");
