import { z } from "zod";
import { unprocessable } from "./refusal.ts";

// What the service reads of a request's body. As it does, we pass over keys that it does not know.

const Rule = z.object({
  uuid: z.string().optional(),
  type: z.enum(["droplet", "k8s", "ip_addr", "tag", "app"]),
  value: z.string().min(1),
  description: z.string().optional(),
});
export type RuleRequest = z.infer<typeof Rule>;

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{1,61}[a-z0-9]$/, "must be 3 to 63 lowercase letters, digits and hyphens");
const Identifier = z
  .string()
  .regex(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,62}$/, "must be at most 63 letters, digits, `_`, `.` and `-`");

export const CreateRequest = z.object({
  name: Name,
  engine: z.string(),
  version: z.string().optional(),
  num_nodes: z.int(),
  size: z.string(),
  region: z.string(),
  tags: z.array(z.string().regex(/^[\w:-]{1,255}$/, "must be letters, digits, `:`, `-` and `_`")).nullish(),
  private_network_uuid: z.string().optional(),
  project_id: z.string().optional(),
  storage_size_mib: z.int().positive().optional(),
  rules: z.array(Rule).optional(),
  backup_restore: z
    .object({
      database_name: z.string().min(1),
      backup_created_at: z.iso.datetime({ offset: true }).optional(),
    })
    .optional(),
});
export type CreateRequest = z.infer<typeof CreateRequest>;

export const FirewallRequest = z.object({ rules: z.array(Rule).max(100) });

export const UserRequest = z.object({
  name: Identifier,
  settings: z.object({ pg_allow_replication: z.boolean().optional() }).optional(),
});

export const DatabaseRequest = z.object({ name: Identifier });

const poolFields = {
  mode: z.enum(["session", "transaction", "statement"]),
  size: z.int().min(1).max(100),
  db: z.string(),
  user: z.string().optional(),
};
export const PoolRequest = z.object({ name: z.string().min(3).max(60), ...poolFields });
export const PoolUpdate = z.object(poolFields);

/** The body as its schema has it; refused with 422, naming the first field that does not fit. */
export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const read = schema.safeParse(body);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const field = issue?.path.join(".") ?? "";
  throw unprocessable(`${field === "" ? "request body" : field}: ${issue?.message ?? "invalid"}`);
}
