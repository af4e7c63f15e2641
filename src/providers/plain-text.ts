import { stripVTControlCharacters } from "node:util";

// What one line of a terminal, a table or a report may hold of somebody else's words.
const LONGEST = 500;

/**
 * Words from outside as one line that is safe to show: no escape sequences or other control characters; no characters that
 * turn the direction of what follows or cannot be seen; not endless.
 */
export function plainText(text: string): string {
  const line = stripVTControlCharacters(text.toWellFormed())
    .replaceAll(/\p{Cf}/gu, "")
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1).toWellFormed()}…`;
}
