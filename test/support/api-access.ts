import { join } from "node:path";
import { openAccess } from "../../src/access/access.ts";
import { hashPassword } from "../../src/access/passwords.ts";
import type { Role } from "../../src/access/roles.ts";
import { makeRuntime } from "../../src/lib/runtime.ts";
import { cliEnvironment } from "./cli.ts";

/** The password of every user that tests make. */
export const PASSWORD = "correct horse battery staple";

/**
 * Adds a user to those of a folder's strategy, beside the daemon, and makes a token for them.
 * @returns the headers of a request in their name
 */
export async function asUser(
  folder: string,
  role: Role,
  {
    env = {},
    dangerous = true,
  }: { readonly env?: Record<string, string>; readonly dangerous?: boolean } = {},
): Promise<{ readonly authorization: string }> {
  using access = await openAccess(makeRuntime({ env: cliEnvironment(env) }), join(folder, "handled.yaml"));
  const user =
    access.users.find(role) ?? access.users.add({ name: role, role, password: await hashPassword(PASSWORD) });
  const { secret } = access.tokens.make(user, { label: "test", role, dangerous, days: 1 });
  return { authorization: `Bearer ${secret}` };
}
