import { timingSafeEqual } from "node:crypto";
import { newSecret, secretHash } from "../access/secret.ts";

/** What lets somebody make the first user: known to whoever sees what the daemon prints, and gone with it. */
export class SetUpSecret {
  #hash: string | undefined;

  /** A new one; the one before is no longer good. */
  make(): string {
    const secret = newSecret();
    this.#hash = secretHash(secret);
    return secret;
  }

  is(secret: string): boolean {
    if (this.#hash === undefined) return false;
    return timingSafeEqual(Buffer.from(this.#hash), Buffer.from(secretHash(secret)));
  }

  end(): void {
    this.#hash = undefined;
  }
}
