import { rm } from "node:fs/promises";
import { writeDurable } from "../../lib/durable.ts";
import { quoteIdentifier, type Session } from "../../postgres/session.ts";
import type { Compared } from "./compare.ts";

// One statement's worth: longer ones only cost memory.
const KEYS = 1000;

/**
 * Writes a script for psql that deletes the inserted rows by their keys, children before parents, in one transaction.
 * @returns whether there was anything to undo
 */
export async function writeUndoFile(
  session: Session,
  path: string,
  compared: readonly Compared[],
  said: { readonly database: string; readonly source: string; readonly at: Date },
): Promise<boolean> {
  const statements: string[] = [];
  for (const one of compared.toReversed()) statements.push(...(await deletesOf(session, one)));
  if (statements.length === 0) return false;
  const head = [
    `-- Takes the rows out of ${oneLine(said.database)} again that were brought back from ${oneLine(said.source)} at ${said.at.toISOString()}.`,
    "-- What was changed in them since goes too, and with ON DELETE CASCADE what refers to them.",
    "-- psql --set ON_ERROR_STOP=1 --file THIS_FILE URL",
  ];
  await writeDurable(path, `${[...head, "begin;", ...statements, "commit;"].join("\n")}\n`);
  return true;
}

/** Of what was not committed there is nothing to undo. */
export async function removeUndoFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, " ");

async function deletesOf(session: Session, { staged, missing, facts }: Compared): Promise<string[]> {
  if (facts.missing.rows === 0) return [];
  const { live } = staged;
  const columns = live.keyColumns.map(({ name }) => quoteIdentifier(name));
  const texts = columns.map((column) => `pg_catalog.quote_literal(m.${column}::text)`).join(" || ', ' || ");
  const rows = await session.query<{ key: string }>(
    `select '(' || ${texts} || ')' as key from ${missing} m order by ${columns.map((column) => `m.${column}`).join(", ")}`,
  );
  const aliases = columns.map((_, at) => `k${at}`);
  const same = live.keyColumns
    .map(({ type }, at) => `t.${columns[at]} ${live.key.operators[at] ?? "="} k.k${at}::${type}`)
    .join(" and ");
  const statements: string[] = [];
  for (let from = 0; from < rows.length; from += KEYS) {
    const keys = rows.slice(from, from + KEYS).map(({ key }) => key);
    statements.push(
      `delete from only ${live.quoted} t using (values ${keys.join(", ")}) k(${aliases.join(", ")}) where ${same};`,
    );
  }
  return statements;
}
