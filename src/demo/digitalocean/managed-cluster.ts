import { randomBytes, randomUUID } from "node:crypto";
import type { Cluster } from "../../postgres/cluster.ts";
import type { BaseBackup } from "./base-backup.ts";
import type { ClusterFolders } from "./managed-server.ts";
import { Refusal } from "./refusal.ts";
import type { CreateRequest, RuleRequest } from "./requests.ts";
import { stamp } from "./service-time.ts";

/** Of these the contract knows all but `error`: what it says of a cluster that cannot be made is unknown. */
type ClusterStatus = "creating" | "forking" | "online" | "error";

export interface DatabaseUser {
  readonly name: string;
  readonly role: "primary" | "normal";
  password: string;
  readonly replication: boolean;
}

export interface Pool {
  readonly name: string;
  readonly mode: string;
  readonly size: number;
  readonly db: string;
  readonly user?: string | undefined;
}

interface FirewallRule extends RuleRequest {
  readonly uuid: string;
  readonly cluster_uuid: string;
  readonly created_at: string;
}

/** A backup as it is listed; its size may be a lie that somebody asked for. */
export interface ListedBackup extends BaseBackup {
  gigabytes: number;
}

interface ClusterEvent {
  readonly id: string;
  readonly cluster_name: string;
  readonly event_type: "cluster_create" | "cluster_update";
  readonly create_time: string;
}

/** All that the service knows of a cluster. */
export interface ManagedCluster {
  readonly id: string;
  readonly request: CreateRequest;
  readonly major: number;
  readonly folders: ClusterFolders;
  readonly createdAt: Date;
  readonly privateNetwork: string;
  readonly project: string;
  readonly tags: readonly string[];
  status: ClusterStatus;
  /** Undefined until it has been started. */
  server: Cluster | undefined;
  readonly users: Map<string, DatabaseUser>;
  databases: string[];
  readonly pools: Map<string, Pool>;
  rules: FirewallRule[];
  backups: ListedBackup[];
  backingUp: boolean;
  /** Whether its daily backups are taken. */
  daily: boolean;
  nextBackup: Date;
  readonly events: ClusterEvent[];
  /** Aborted when the cluster is to go. */
  readonly end: AbortController;
  /** Everything that goes on in the background; it never rejects. */
  work: Promise<void>;
  /** Why it cannot be made. */
  failure: Error | undefined;
}

export const ADMIN = "doadmin";
export const DEFAULT_DATABASE = "defaultdb";

export function newCluster(
  request: CreateRequest,
  { major, folders, now }: { major: number; folders: ClusterFolders; now: Date },
): ManagedCluster {
  const cluster: ManagedCluster = {
    id: randomUUID(),
    request,
    major,
    folders,
    createdAt: now,
    privateNetwork: request.private_network_uuid ?? randomUUID(),
    project: request.project_id ?? randomUUID(),
    tags: request.tags ?? [],
    status: "creating",
    server: undefined,
    users: new Map(),
    databases: [DEFAULT_DATABASE],
    pools: new Map(),
    rules: [],
    backups: [],
    backingUp: false,
    daily: true,
    nextBackup: now,
    events: [],
    end: new AbortController(),
    work: Promise.resolve(),
    failure: undefined,
  };
  setRules(cluster, request.rules ?? [], now);
  addEvent(cluster, "cluster_create", now);
  return cluster;
}

/** Puts trusted sources in place of those there are; one that stays keeps its id. */
export function setRules(cluster: ManagedCluster, rules: readonly RuleRequest[], now: Date): void {
  cluster.rules = rules.map(({ type, value, description, uuid }) => {
    const old = cluster.rules.find((one) => one.uuid === uuid || (one.type === type && one.value === value));
    return {
      uuid: old?.uuid ?? randomUUID(),
      cluster_uuid: cluster.id,
      type,
      value,
      created_at: old?.created_at ?? stamp(now),
      ...(description === undefined ? {} : { description }),
    };
  });
}

/** The addresses among a cluster's trusted sources. */
export function allowedAddresses(rules: readonly RuleRequest[]): string[] {
  return rules.filter(({ type }) => type === "ip_addr").map(({ value }) => value);
}

export function addEvent(cluster: ManagedCluster, event_type: ClusterEvent["event_type"], now: Date): void {
  const { name: cluster_name } = cluster.request;
  cluster.events.push({
    id: randomBytes(4).toString("hex"),
    cluster_name,
    event_type,
    create_time: stamp(now),
  });
}

/** Its running server. What needs one is refused before the cluster is online. */
export function requireOnline(cluster: ManagedCluster): Cluster {
  if (cluster.status === "online" && cluster.server !== undefined) return cluster.server;
  throw new Refusal(412, `cluster ${cluster.request.name} is not online: it is ${cluster.status}`);
}

export function newPassword(): string {
  return `AVNS_${randomBytes(15).toString("base64url")}`;
}
