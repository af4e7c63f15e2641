import { createHash, randomBytes } from "node:crypto";

/** A secret that nobody guesses: 256 bits, in characters that URLs and headers take. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What is kept of such a secret: nothing is to be found from it, and it needs no salt, since no two are alike. */
export function secretHash(secret: string): string {
  return createHash("sha256").update(secret).digest("base64url");
}
