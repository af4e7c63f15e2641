import { z } from "zod";

/**
 * The part of DigitalOcean's public API (its OpenAPI description as published in August 2026) that Handled uses. The client
 * and the emulator are both held to it. Requests are strict: nothing is sent that the service does not know. Answers are
 * loose: what it adds later is no reason to refuse a recovery.
 */
export const CONTRACT_VERSION = "2026-08";

/** What a cluster's status may be; an answer with another one is not refused. */
const STATUSES = ["creating", "online", "resizing", "migrating", "forking"] as const;
/** What a trusted source may be. */
const SOURCES = ["droplet", "k8s", "ip_addr", "tag", "app"] as const;
const POOL_MODES = ["session", "transaction", "statement"] as const;

/** RFC 3339, with any offset. */
const time = z.iso.datetime({ offset: true });
const name = z.string().min(1);
const count = z.int().min(0);

/** Answers leave passwords out where the token may not see them. */
const Connection = z.looseObject({
  uri: z.string().optional(),
  database: z.string().optional(),
  host: z.string().optional(),
  port: z.int().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  ssl: z.boolean().optional(),
});

const UserSettings = { pg_allow_replication: z.boolean().optional() };

const User = z.looseObject({
  name,
  role: z.string().optional(),
  password: z.string().optional(),
  settings: z.looseObject(UserSettings).nullish(),
});

const FirewallRule = z.looseObject({
  uuid: z.string().optional(),
  cluster_uuid: z.string().optional(),
  type: z.string(),
  value: z.string(),
  created_at: time.optional(),
  description: z.string().optional(),
});

const Cluster = z.looseObject({
  id: z.uuid(),
  name,
  engine: z.string(),
  version: z.string().optional(),
  semantic_version: z.string().optional(),
  num_nodes: z.int().min(1),
  size: z.string(),
  region: z.string(),
  status: z.string(),
  created_at: time.optional(),
  private_network_uuid: z.string().nullish(),
  project_id: z.string().nullish(),
  tags: z.array(z.string()).nullish(),
  db_names: z.array(z.string()).nullish(),
  users: z.array(User).nullish(),
  connection: Connection.nullish(),
  private_connection: Connection.nullish(),
  storage_size_mib: z.int().nullish(),
});

const Backup = z.looseObject({
  created_at: time,
  /** Gigabytes, with a fraction. */
  size_gigabytes: z.number().min(0),
  incremental: z.boolean().optional(),
});

const Pool = z.looseObject({
  name,
  mode: z.string(),
  size: z.int().min(1),
  db: name,
  user: z.string().optional(),
  connection: Connection.nullish(),
  private_connection: Connection.nullish(),
});

const EngineOptions = z.looseObject({
  regions: z.array(z.string()).optional(),
  versions: z.array(z.string()).optional(),
  layouts: z.array(z.looseObject({ num_nodes: z.int(), sizes: z.array(z.string()) })).optional(),
});

/** The values a faithful answer has, for the emulator and its tests. */
export const known = { statuses: STATUSES, sources: SOURCES, poolModes: POOL_MODES } as const;

/** What is sent, by what it does. */
export const requests = {
  /** POST /v2/databases */
  createCluster: z.strictObject({
    name,
    engine: z.literal("pg"),
    version: z.string().optional(),
    num_nodes: z.int().min(1),
    size: name,
    region: name,
    private_network_uuid: z.uuid().optional(),
    project_id: z.uuid().optional(),
    storage_size_mib: z.int().min(1).optional(),
    tags: z.array(z.string().regex(/^[A-Za-z0-9:_-]{1,255}$/)).optional(),
    /** Trusted sources may be given at once, so that the cluster never stands open. */
    rules: z
      .array(z.strictObject({ type: z.enum(SOURCES), value: name, description: z.string().optional() }))
      .optional(),
    /** The *name* of the cluster whose backup it starts from, not its id; without a time, its newest backup. */
    backup_restore: z.strictObject({ database_name: name, backup_created_at: time.optional() }).optional(),
  }),
  /** PUT /v2/databases/ID/firewall: replaces all rules; at most 100. */
  setFirewall: z.strictObject({
    rules: z
      .array(z.strictObject({ type: z.enum(SOURCES), value: name, description: z.string().optional() }))
      .max(100),
  }),
  /** POST /v2/databases/ID/users */
  createUser: z.strictObject({ name, settings: z.strictObject(UserSettings).optional() }),
  /** POST /v2/databases/ID/dbs */
  createDatabase: z.strictObject({ name }),
  /** POST /v2/databases/ID/pools */
  createPool: z.strictObject({
    name: z.string().min(3).max(60),
    mode: z.enum(POOL_MODES),
    size: z.int().min(1),
    db: name,
    user: z.string().optional(),
  }),
} as const;

/** What comes back, by what was asked. Deleting and setting the firewall answer 204 with nothing. */
export const answers = {
  /** GET /v2/account. It tells no limit of clusters, only one of droplets. */
  account: z.looseObject({
    account: z.looseObject({
      droplet_limit: count.optional(),
      uuid: z.string().optional(),
      status: z.string().optional(),
      status_message: z.string().optional(),
    }),
  }),
  /** GET /v2/databases/options. It has sizes, regions and versions, and no prices. */
  options: z.looseObject({ options: z.looseObject({ pg: EngineOptions.optional() }) }),
  /** GET /v2/databases, with `tag_name` those with that tag. */
  clusters: z.looseObject({ databases: z.array(Cluster).nullish() }),
  /** GET /v2/databases/ID, and 201 of POST /v2/databases */
  cluster: z.looseObject({ database: Cluster }),
  /** GET /v2/databases/ID/backups */
  backups: z.looseObject({
    backups: z.array(Backup),
    scheduled_backup_time: z
      .looseObject({
        backup_hour: z.int().min(0).max(23).optional(),
        backup_minute: z.int().min(0).max(59).optional(),
        backup_interval_hours: z.int().min(1).optional(),
      })
      .nullish(),
    /** Per cent, while one is being taken. */
    backup_progress: z.string().nullish(),
  }),
  /** GET /v2/databases/ID/firewall */
  firewall: z.looseObject({ rules: z.array(FirewallRule).nullish() }),
  /** GET /v2/databases/ID/users */
  users: z.looseObject({ users: z.array(User).nullish() }),
  /** 201 of POST /v2/databases/ID/users */
  user: z.looseObject({ user: User }),
  /** GET /v2/databases/ID/dbs */
  databases: z.looseObject({ dbs: z.array(z.looseObject({ name })).nullish() }),
  /** 201 of POST /v2/databases/ID/dbs */
  database: z.looseObject({ db: z.looseObject({ name }) }),
  /** GET /v2/databases/ID/pools */
  pools: z.looseObject({ pools: z.array(Pool).nullish() }),
  /** 201 of POST /v2/databases/ID/pools */
  pool: z.looseObject({ pool: Pool }),
  /** GET /v2/databases/ID/events */
  events: z.looseObject({
    events: z
      .array(
        z.looseObject({
          id: z.string().optional(),
          cluster_name: z.string().optional(),
          event_type: z.string().optional(),
          create_time: z.string().optional(),
        }),
      )
      .nullish(),
  }),
  /** GET /v2/databases/ID/ca: PEM in base64 */
  ca: z.looseObject({ ca: z.looseObject({ certificate: z.base64() }) }),
  /** Every answer from 400 on. */
  error: z.looseObject({ id: z.string(), message: z.string(), request_id: z.string().optional() }),
} as const;

/** Headers of every answer, 429 among them; `reset` is a Unix time in seconds. `retry-after` (seconds) is not promised. */
export const rateLimit = {
  limit: "ratelimit-limit",
  remaining: "ratelimit-remaining",
  reset: "ratelimit-reset",
  retryAfter: "retry-after",
} as const;
