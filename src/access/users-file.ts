import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import { STORED_PASSWORD } from "./passwords.ts";
import { ROLES } from "./roles.ts";
import { USER_NAME } from "./users.ts";

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** `system/users/CHAIN.json`: who may sign in to the daemon of a machine. In a repository that is not sealed, nothing that lets anybody in. */
export const UsersFile = z.strictObject({
  format: z.literal(FORMAT_VERSION),
  chain: z.uuid(),
  at: z.iso.datetime(),
  host: z.string().regex(/^[\w.-]{1,255}$/),
  /** The newest entry of the machine's audit log; null: it had none. */
  audit: z.strictObject({ seq: z.int().min(1), hash: digest }).nullable(),
  users: z
    .array(
      z.strictObject({
        name: z.string().regex(USER_NAME),
        role: z.enum(ROLES),
        createdAt: z.iso.datetime(),
        hasPassword: z.boolean(),
        password: z.string().regex(STORED_PASSWORD).nullable(),
        identity: z.strictObject({ issuer: z.string(), subject: z.string() }).nullable(),
      }),
    )
    .min(1),
  mac: digest.nullable(),
});
export type UsersFile = z.infer<typeof UsersFile>;

/**
 * By which whoever opens a sealed repository sees that a host of it wrote this: for sealing to somebody takes no secret. HMAC-SHA256 of
 * the JSON text of all else in it, in the order above, under HMAC-SHA256 of `handled users` under the naming key.
 * @param file its keys in the order of the schema, as parsing leaves them
 * @param namingKey in hexadecimal
 */
export function macOf(file: UsersFile, namingKey: string): string {
  const key = createHmac("sha256", Buffer.from(namingKey, "hex")).update("handled users").digest();
  return createHmac("sha256", key)
    .update(JSON.stringify({ ...file, mac: null }))
    .digest("hex");
}

export function isMacRight(file: UsersFile, namingKey: string): boolean {
  const [found, expected] = [file.mac ?? "", macOf(file, namingKey)].map((text) => Buffer.from(text));
  return found?.length === expected?.length && found !== undefined && expected !== undefined
    ? timingSafeEqual(found, expected)
    : false;
}
