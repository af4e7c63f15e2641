import { argon2 as derive, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { AppError } from "../errors.ts";

const argon2 = promisify(derive);

/** As short as a password may be, in characters. Length is what counts (NIST SP 800-63B-4, 3.1.1.2). */
const SHORTEST = 12;
// Longer ones would only cost time.
const LONGEST = 1024;
// OWASP, "Password Storage Cheat Sheet", Argon2id: 19 MiB, two passes, one lane.
const COSTS = { memory: 19 * 1024, passes: 2, parallelism: 1 };
const TAG_BYTES = 32;
const SALT_BYTES = 16;

// `argon2-specs.pdf` has no text form; this is the one of the PHC string format, which its reference program writes.
export const STORED_PASSWORD =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** What is kept of a password: a PHC string of Argon2id. */
export type PasswordHash = string & { readonly __brand: "PasswordHash" };

/** What is kept of a password. Fails with `usage` for one that is too short or too long. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const length = Array.from(password).length;
  if (length < SHORTEST || password.length > LONGEST) {
    throw new AppError(
      "usage",
      `password: it has ${length} characters, and takes ${SHORTEST} to ${LONGEST}`,
      {
        hint: "a few words in a row are long, and easy to type",
      },
    );
  }
  const salt = randomBytes(SALT_BYTES);
  const tag = await argon2("argon2id", { message: password, nonce: salt, tagLength: TAG_BYTES, ...COSTS });
  const { memory, passes, parallelism } = COSTS;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${bare(salt)}$${bare(tag)}` as PasswordHash;
}

// Of a password that nobody knows: the same work is done for a name that nobody has.
const NOBODY = `$argon2id$v=19$m=${COSTS.memory},t=${COSTS.passes},p=${COSTS.parallelism}$${bare(randomBytes(SALT_BYTES))}$${bare(randomBytes(TAG_BYTES))}`;

/**
 * Whether it is the password of which that was kept.
 * @param stored null: there is none; takes as long, so that nobody learns who has one
 */
export async function isPassword(password: string, stored: string | null): Promise<boolean> {
  if (password.length > LONGEST) return false;
  const [, memory, passes, parallelism, salt = "", tag = ""] = STORED_PASSWORD.exec(stored ?? NOBODY) ?? [];
  const expected = Buffer.from(tag, "base64");
  const found = await argon2("argon2id", {
    message: password,
    nonce: Buffer.from(salt, "base64"),
    tagLength: expected.byteLength,
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
  });
  return timingSafeEqual(found, expected) && stored !== null;
}

function bare(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
