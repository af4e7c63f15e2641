import { quoteLiteral } from "../postgres/session.ts";

// Everything is computed from row numbers: two fills of the same scale have the same rows, which a comparison needs.
/** The newest moment in the demo's data. */
export const DEMO_NOW = "timestamptz '2024-12-11 06:00:00+00'";

/** A whole number from 0 to `below - 1` that looks random but depends only on `seed` (SQL, bigint) and `salt`. */
export function number(seed: string, salt: number, below: number | string): string {
  return `mod(hashint8extended(${seed}, ${salt}) & 9007199254740991, ${below})`;
}

/** One of the words, chosen as `number` does it. */
export function pick(words: readonly string[], seed: string, salt: number): string {
  return `(ARRAY[${words.map(quoteLiteral).join(",")}])[1 + ${number(seed, salt, words.length)}::int]`;
}

/** The word or the country of one written as `Graz AT`: the same seed and salt give both of the same one. */
export function pickPart(
  words: readonly string[],
  part: "word" | "country",
  seed: string,
  salt: number,
): string {
  const parts = words.map((text) => (part === "word" ? text.slice(0, -3) : text.slice(-2)));
  return pick(parts, seed, salt);
}

/** A UUID made of `seed` and `salt`. */
export function uuid(seed: string, salt: number): string {
  return `md5('${salt}.' || ${seed})::uuid`;
}

/** So many rows at this scale, at least one. */
export function scaled(rows: number, scale: number): number {
  return Math.max(1, Math.round(rows * scale));
}
