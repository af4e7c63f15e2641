import type { FastifyRequest } from "fastify";
import type { Access } from "../access/access.ts";
import type { Throttle } from "../access/throttle.ts";
import type { Clock } from "../lib/clock.ts";
import { AppError } from "../errors.ts";
import { callerOf, sourceOf } from "./caller.ts";

// Whoever signs in elsewhere cannot be asked for a password here.
const FRESH_MS = 5 * 60_000;

/** What was sent along to confirm something dangerous. */
interface Confirmation {
  readonly name: string;
  readonly password?: string | undefined;
}

/**
 * Makes sure that something dangerous is meant, and by whom: its name was typed, and the password given again. A token needs to be made for
 * it; who signs in elsewhere must just have done so. Fails with `not_confirmed` or `not_allowed`, and `too_many_tries`.
 * @param name of what is changed
 */
export type Confirm = (
  request: FastifyRequest,
  confirmation: Confirmation | undefined,
  name: string,
) => Promise<void>;

export function confirmWith({ users }: Pick<Access, "users">, throttle: Throttle, clock: Clock): Confirm {
  return async (request, confirmation, name) => {
    const { user, session, token } = callerOf(request);
    if (confirmation?.name !== name) {
      throw new AppError("not_confirmed", `${name}: not confirmed`, {
        hint: `nothing was changed; \`confirm.name\` has to be ${name} exactly`,
      });
    }
    if (token !== undefined) {
      if (token.dangerous) return;
      throw new AppError(
        "not_allowed",
        `${name}: the token ${token.label} was not made for what is dangerous`,
      );
    }
    if (session?.how === "oidc") {
      if (clock.now().getTime() - session.provenAt <= FRESH_MS) return;
      throw new AppError("not_confirmed", `${name}: ${user.name} signed in more than five minutes ago`, {
        hint: "nothing was changed; sign in again, and confirm it once more",
      });
    }
    const keys = [`name ${user.name.toLowerCase()}`, `address ${sourceOf(request)}`];
    throttle.check(keys);
    if ((await users.check(user.name, confirmation.password ?? "")) !== undefined) {
      throttle.succeeded(keys);
      return;
    }
    throttle.failed(keys);
    throw new AppError("not_confirmed", `${name}: the password is not right`, {
      hint: "nothing was changed",
    });
  };
}
