import { z } from "zod";

// What the service may answer: the public API contract, version of 2026-08. Strict: the emulator sends nothing that the contract does not
// name, lest somebody come to rely on it. The program's own schemas, which pass over what they do not know, are another matter.

const Moment = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);

const Connection = z.strictObject({
  uri: z.string().startsWith("postgres://"),
  database: z.string(),
  host: z.string(),
  port: z.int(),
  user: z.string(),
  password: z.string(),
  ssl: z.boolean(),
});

const User = z.strictObject({
  name: z.string(),
  role: z.enum(["primary", "normal"]),
  password: z.string(),
  settings: z.strictObject({ pg_allow_replication: z.boolean() }).optional(),
});

const Rule = z.strictObject({
  uuid: z.uuid(),
  cluster_uuid: z.uuid(),
  type: z.enum(["droplet", "k8s", "ip_addr", "tag", "app"]),
  value: z.string(),
  created_at: Moment,
  description: z.string().optional(),
});

const Database = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  engine: z.literal("pg"),
  version: z.string(),
  num_nodes: z.int(),
  size: z.string(),
  region: z.string(),
  // The contract lists all but `error`: what it says of a cluster that cannot be made is not known.
  status: z.enum(["creating", "online", "resizing", "migrating", "forking", "error"]),
  created_at: Moment,
  private_network_uuid: z.string(),
  project_id: z.string(),
  tags: z.array(z.string()).nullable(),
  db_names: z.array(z.string()).nullable(),
  connection: Connection.optional(),
  private_connection: Connection.optional(),
  users: z.array(User).nullable(),
  rules: z.array(Rule),
  maintenance_window: z.strictObject({
    day: z.string(),
    hour: z.string(),
    pending: z.boolean(),
    description: z.array(z.string()),
  }),
  storage_size_mib: z.int().optional(),
});

const Pool = z.strictObject({
  name: z.string(),
  mode: z.enum(["session", "transaction", "statement"]),
  size: z.int(),
  db: z.string(),
  user: z.string().optional(),
  connection: Connection.optional(),
  private_connection: Connection.optional(),
});

const Name = z.strictObject({ name: z.string() });

const Event = z.strictObject({
  id: z.string(),
  cluster_name: z.string(),
  event_type: z.enum([
    "cluster_maintenance_perform",
    "cluster_master_promotion",
    "cluster_create",
    "cluster_update",
  ]),
  create_time: Moment,
});

const Backups = z.strictObject({
  backups: z.array(
    z.strictObject({ created_at: Moment, size_gigabytes: z.number(), incremental: z.boolean() }),
  ),
  scheduled_backup_time: z.strictObject({
    backup_hour: z.int(),
    backup_minute: z.int(),
    backup_interval_hours: z.int(),
  }),
  backup_progress: z.string().optional(),
});

const Options = z.strictObject({
  options: z.strictObject({
    pg: z.strictObject({
      regions: z.array(z.string()),
      versions: z.array(z.string()),
      layouts: z.array(z.strictObject({ num_nodes: z.int(), sizes: z.array(z.string()) })),
      // In the contract's examples alone, as is `default` below.
      default_version: z.string().optional(),
    }),
  }),
  version_availability: z.strictObject({
    pg: z.array(
      z.strictObject({
        version: z.string(),
        end_of_life: z.string().nullable(),
        end_of_availability: z.string().nullable(),
        default: z.boolean(),
      }),
    ),
  }),
});

const Account = z.strictObject({
  droplet_limit: z.int(),
  floating_ip_limit: z.int(),
  email: z.string(),
  name: z.string(),
  uuid: z.string(),
  email_verified: z.boolean(),
  status: z.enum(["active", "warning", "locked"]),
  status_message: z.string(),
  team: z.strictObject({ uuid: z.string(), name: z.string() }),
});

/** Bodies of answers that are no errors, each by what it is of; `nothing` is 204. */
export const ANSWERS = {
  nothing: z.undefined(),
  account: z.strictObject({ account: Account }),
  options: Options,
  cluster: z.strictObject({ database: Database }),
  clusters: z.strictObject({ databases: z.array(Database) }),
  backups: Backups,
  events: z.strictObject({ events: z.array(Event) }),
  certificate: z.strictObject({ ca: z.strictObject({ certificate: z.base64() }) }),
  rules: z.strictObject({ rules: z.array(Rule) }),
  user: z.strictObject({ user: User }),
  users: z.strictObject({ users: z.array(User) }),
  database: z.strictObject({ db: Name }),
  databases: z.strictObject({ dbs: z.array(Name) }),
  pool: z.strictObject({ pool: Pool }),
  pools: z.strictObject({ pools: z.array(Pool) }),
} as const satisfies Record<string, z.ZodType>;

/** The body of an answer that is an error. */
export const ErrorAnswer = z.strictObject({ id: z.string(), message: z.string(), request_id: z.uuid() });
