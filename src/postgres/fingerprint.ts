import { quoteIdentifier, quoteName, type Session } from "./session.ts";

export interface TableFingerprint {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /**
   * Sum over all rows of the 64-bit hash of the row's text: independent of the order of the rows. Made by the server,
   * for comparing two databases of one server; it is no proof against somebody who wants to deceive.
   */
  readonly digest: string;
}

/**
 * Rows and digest of every ordinary table that a condition selects, as the session's snapshot sees them. Columns are
 * taken in the order of their names, for inherited tables come back from a dump with another order. The session is set
 * to one way to write values, and stays so; fails with `privilege_missing` where a policy hides rows from its role.
 * @param where SQL over `n` (pg_namespace) and `c` (pg_class) with parameters `$1…`
 */
export async function fingerprintTables(
  session: Session,
  where: string,
  params: readonly unknown[],
): Promise<TableFingerprint[]> {
  const settings = TEXT_SETTINGS.map((_, n) => `pg_catalog.set_config($${2 * n + 1}, $${2 * n + 2}, false)`);
  await session.query(`select ${settings.join(", ")}`, TEXT_SETTINGS.flat());
  const tables = await session.query<{ schema: string; name: string; columns: string[] }>(
    `select n.nspname as schema, c.relname as name,
            array(select a.attname::text from pg_catalog.pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attname) as columns
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and (${where})
      order by 1, 2`,
    params,
  );
  const fingerprints: TableFingerprint[] = [];
  for (const { schema, name, columns } of tables) {
    const row = `row(${columns.map((column) => `t.${quoteIdentifier(column)}`).join(", ")})::text`;
    const [result] = await session.query<{ rows: string; digest: string }>(
      `select count(*) as rows, coalesce(sum(pg_catalog.hashtextextended(${row}, 0)::numeric), 0)::text as digest
         from only ${quoteName(schema, name)} t`,
    );
    fingerprints.push({ schema, name, rows: Number(result?.rows), digest: result?.digest ?? "" });
  }
  return fingerprints;
}

// The text of a value must not depend on what a database or role is set to, nor leave out a digit or a row.
const TEXT_SETTINGS: readonly (readonly [name: string, value: string])[] = [
  ["timezone", "UTC"],
  ["datestyle", "ISO, YMD"],
  ["intervalstyle", "postgres"],
  ["extra_float_digits", "3"],
  ["bytea_output", "hex"],
  ["lc_monetary", "C"],
  ["search_path", ""],
  ["row_security", "off"],
];
