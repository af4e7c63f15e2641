// NAMEDATALEN - 1: PostgreSQL cuts longer names off without asking.
const LONGEST = 63;

/** `data`, `_before_20241211_143022` → both joined; the base is cut, at a character, where that exceeds 63 bytes. */
export function suffixedName(base: string, suffix: string): string {
  let kept = base;
  while (Buffer.byteLength(kept + suffix, "utf8") > LONGEST) kept = Array.from(kept).slice(0, -1).join("");
  return kept + suffix;
}
