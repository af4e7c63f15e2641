import { databaseExists } from "../../postgres/admin.ts";
import type { Session } from "../../postgres/session.ts";

// NAMEDATALEN - 1: PostgreSQL cuts longer names off without asking.
const LONGEST = 63;

/** `data`, `_before_20241211_143022` → both joined; the base is cut, at a character, where that exceeds 63 bytes. */
export function suffixedName(base: string, suffix: string): string {
  let kept = base;
  while (Buffer.byteLength(kept + suffix, "utf8") > LONGEST) kept = Array.from(kept).slice(0, -1).join("");
  return kept + suffix;
}

/** Like `suffixedName`, with `_2`, `_3` … behind it when a database of the server has the name already. */
export async function freeName(session: Session, base: string, suffix: string): Promise<string> {
  for (let n = 1; ; n++) {
    const name = suffixedName(base, n === 1 ? suffix : `${suffix}_${n}`);
    if (!(await databaseExists(session, name))) return name;
  }
}
