import type { Cluster } from "../../postgres/cluster.ts";
import {
  ADMIN,
  type DatabaseUser,
  DEFAULT_DATABASE,
  type ManagedCluster,
  type Pool,
} from "./managed-cluster.ts";
import { stamp } from "./service-time.ts";

// The shapes of the service's answers: the public API contract, version of 2026-08.

/** A cluster as answers have it. What connects to it comes with its server. */
export function clusterView(cluster: ManagedCluster, tls: boolean): object {
  const { request, server } = cluster;
  const admin = cluster.users.get(ADMIN);
  const connection =
    server === undefined || admin === undefined
      ? undefined
      : connectionView(server, { user: admin, database: DEFAULT_DATABASE, tls });
  return {
    id: cluster.id,
    name: request.name,
    engine: "pg",
    version: String(cluster.major),
    num_nodes: request.num_nodes,
    size: request.size,
    region: request.region,
    status: cluster.status,
    created_at: stamp(cluster.createdAt),
    private_network_uuid: cluster.privateNetwork,
    project_id: cluster.project,
    tags: cluster.tags.length === 0 ? null : cluster.tags,
    db_names: cluster.databases,
    ...(connection === undefined ? {} : { connection, private_connection: connection }),
    users: [...cluster.users.values()].map(userView),
    rules: cluster.rules,
    maintenance_window: { day: "sunday", hour: "04:00:00", pending: false, description: [] },
    ...(request.storage_size_mib === undefined ? {} : { storage_size_mib: request.storage_size_mib }),
  };
}

export function userView(user: DatabaseUser): object {
  const settings = user.replication ? { settings: { pg_allow_replication: true } } : {};
  return { name: user.name, role: user.role, password: user.password, ...settings };
}

/** A pool as answers have it. There is no pooler: its connection leads to the server itself. */
export function poolView(pool: Pool, cluster: ManagedCluster, tls: boolean): object {
  const { server, users } = cluster;
  const user = users.get(pool.user ?? ADMIN);
  if (server === undefined || user === undefined) return pool;
  const connection = connectionView(server, { user, database: pool.db, tls });
  return { ...pool, connection, private_connection: connection };
}

export function backupsView(cluster: ManagedCluster): object {
  return {
    backups: cluster.backups.map(({ createdAt, gigabytes }) => ({
      created_at: stamp(createdAt),
      size_gigabytes: gigabytes,
      incremental: false,
    })),
    scheduled_backup_time: {
      backup_hour: cluster.nextBackup.getUTCHours(),
      backup_minute: cluster.nextBackup.getUTCMinutes(),
      backup_interval_hours: 24,
    },
    ...(cluster.backingUp ? { backup_progress: "50" } : {}),
  };
}

/** How a user connects to a database of a server. */
export function connectionView(
  server: Cluster,
  { user, database, tls }: { readonly user: DatabaseUser; readonly database: string; readonly tls: boolean },
): { readonly uri: string } & Readonly<Record<string, unknown>> {
  const { name, password } = user;
  const login = `${encodeURIComponent(name)}:${encodeURIComponent(password)}`;
  const place = `127.0.0.1:${server.port}/${encodeURIComponent(database)}`;
  return {
    uri: `postgres://${login}@${place}?sslmode=${tls ? "require" : "disable"}`,
    database,
    host: "127.0.0.1",
    port: server.port,
    user: name,
    password,
    ssl: tls,
  };
}
