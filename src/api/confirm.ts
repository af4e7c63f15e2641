import type { FastifyRequest } from "fastify";
import { AppError } from "../errors.ts";

/** Fails with `not_confirmed` unless the body's `confirm` names the database. */
export async function requireConfirmation({ body }: FastifyRequest, name: string): Promise<void> {
  const { confirm } = body as { readonly confirm?: { readonly name: string } };
  if (confirm?.name === name) return await Promise.resolve();
  throw new AppError("not_confirmed", `change ${name}: not confirmed`, {
    hint: `nothing was changed; \`confirm.name\` has to be \`${name}\``,
  });
}
