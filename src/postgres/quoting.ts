import { AppError } from "../errors.ts";

/** A name as SQL reads it back, whatever characters it has: `my "db"` → `"my ""db"""`. */
export function quoteIdentifier(name: string): string {
  refuseNul(name);
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text constant. Safe whatever `standard_conforming_strings` says, because backslashes force the `E''` form. */
export function quoteLiteral(text: string): string {
  refuseNul(text);
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  // The leading space keeps `LIKEE'…'` from becoming one word when pieces are joined.
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

/** A schema-qualified name: `"schema"."name"`. */
export function quoteName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}

// The protocol ends texts with a zero byte: everything behind it would silently be cut off.
function refuseNul(text: string): void {
  if (text.includes("\0")) throw new AppError("usage", "quote a name or text: it holds a zero byte");
}
