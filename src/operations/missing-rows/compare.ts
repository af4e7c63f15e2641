import { quoteIdentifier, type Session } from "../../postgres/session.ts";
import { columnsWith, type ForeignKey, type LiveTable, sameKey, type UniqueIndex } from "./live-table.ts";
import type { Conflict, Examples, Orphans, TableMissing } from "./request.ts";
import type { Staged } from "./stage.ts";

/** Missing rows, in a temporary table that goes with the transaction. */
export interface Compared {
  readonly staged: Staged;
  readonly missing: string;
  readonly facts: TableMissing;
}

const EXAMPLES = 10;

/**
 * Finds by primary key which staged rows the live tables lack, and what keeps them from coming back. The session is in a
 * transaction; only under locks that keep writers out is the answer still true afterwards.
 * @param before an earlier answer of this session, committed: then only what was missing is looked for again, for writers wait
 */
export async function compareStaged(
  session: Session,
  all: readonly Staged[],
  where: string | null,
  before?: readonly Compared[],
): Promise<Compared[]> {
  const found: { staged: Staged; missing: string; conflicts: Conflict[] }[] = [];
  for (const staged of all) {
    const { live, stage, columns } = staged;
    const missing = stage.replace("_stage_", "_missing_");
    const condition = where === null ? "" : ` where (${where}\n)`;
    const lost = stage.replace("_stage_", "_lost_");
    const gone = `not exists (select from only ${live.quoted} t where ${sameKey(live, "t", "s")})`;
    if (before === undefined) {
      await session.query(
        `create temporary table ${lost.replace("pg_temp.", "")} as
           select ${columnsWith("s", columns)} from (select * from ${stage}${condition}) s where ${gone}`,
      );
      await session.query(`analyze ${lost}`);
    }
    await session.query(
      `create temporary table ${missing.replace("pg_temp.", "")} on commit drop as select * from ${lost} s where ${gone}`,
    );
    await session.query(`analyze ${missing}`);
    const conflicts: Conflict[] = [];
    for (const index of live.unique) {
      const rows = await removeConflicts(session, staged, missing, index);
      if (rows.rows > 0) conflicts.push({ index: index.name, ...rows });
    }
    found.push({ staged, missing, conflicts });
  }
  const coming = new Map(found.map(({ staged, missing }) => [staged.live.quoted, { staged, missing }]));
  const compared: Compared[] = [];
  for (const { staged, missing, conflicts } of found) {
    const { live, columns, inBackup, parts } = staged;
    const orphans: Orphans[] = [];
    for (const key of live.foreignKeys.filter((one) =>
      one.columns.every((column) => columns.includes(column)),
    )) {
      const parent = coming.get(key.parent);
      const known =
        parent !== undefined && key.referenced.every((column) => parent.staged.columns.includes(column));
      const rows = await findOrphans(session, live, missing, key, known ? parent.missing : undefined);
      if (rows.rows > 0) orphans.push({ constraint: key.name, parent: key.parent, ...rows });
    }
    compared.push({
      staged,
      missing,
      facts: {
        schema: live.schema,
        name: live.name,
        inBackup,
        parts,
        missing: await examplesOf(session, live, `${missing} r`),
        changed:
          before?.find((one) => one.staged === staged)?.facts.changed ??
          (await findChanged(session, staged, where)),
        conflicts,
        orphans,
        triggers: live.triggers.map(({ name }) => name),
        added: live.columns.filter((column) => !columns.includes(column)),
      },
    });
  }
  return compared;
}

async function examplesOf(session: Session, live: LiveTable, from: string): Promise<Examples> {
  const key = columnsWith(
    "r",
    live.keyColumns.map(({ name }) => name),
  );
  const [row] = await session.query<{ rows: number }>(`select count(*)::float8 as rows from ${from}`);
  const rows = row?.rows ?? 0;
  if (rows === 0) return { rows, keys: [] };
  const keys = await session.query<{ key: string }>(
    `select row(${key})::text as key from ${from} order by ${key} limit ${EXAMPLES}`,
  );
  return { rows, keys: keys.map((one) => one.key) };
}

/** Rows that are there under the same key with other contents. By their text, for not every type has an equality. */
async function findChanged(
  session: Session,
  { live, stage, columns }: Staged,
  where: string | null,
): Promise<Examples> {
  const condition = where === null ? "" : ` where (${where}\n)`;
  return await examplesOf(
    session,
    live,
    `(select s.* from (select * from ${stage}${condition}) s join only ${live.quoted} t on ${sameKey(live, "t", "s")}
       where ${differ(columns, "s", "t")}) r`,
  );
}

/** That two rows differ in what they hold. */
export function differ(columns: readonly string[], a: string, b: string): string {
  const texts = (alias: string): string =>
    columns.map((column) => `${alias}.${quoteIdentifier(column)}::text`).join(", ");
  return `row(${texts(a)}) is distinct from row(${texts(b)})`;
}

/** Takes rows out of the missing ones whose values for a unique index the live table has already. */
async function removeConflicts(
  session: Session,
  { live, columns }: Staged,
  missing: string,
  index: UniqueIndex,
): Promise<Examples> {
  const isMissing = live.columns.some((column) => !columns.includes(column));
  // An index on a column that the backup does not have cannot be asked about; the insert itself will fail where it must.
  const values = index.columns.map((column, at) => `(${column}) as k${at}`).join(", ");
  const predicate = index.predicate === null ? "" : ` where ${index.predicate}`;
  const same = index.columns.map((_, at) => `m.k${at} ${index.operators[at] ?? "="} l.k${at}`).join(" and ");
  const keys = columnsWith(
    "r",
    live.keyColumns.map(({ name }) => name),
  );
  if (isMissing && !(await canAsk(session, missing, values))) return { rows: 0, keys: [] };
  const inTheWay = `(select m.* from (select *, ${values} from ${missing}${predicate}) m
     where exists (select from (select ${values} from only ${live.quoted}${predicate}) l where ${same})) r`;
  const found = await examplesOf(session, live, inTheWay);
  if (found.rows > 0) {
    await session.query(
      `delete from ${missing} d using (select ${keys} from ${inTheWay}) c where ${sameKey(live, "d", "c")}`,
    );
  }
  return found;
}

async function canAsk(session: Session, missing: string, values: string): Promise<boolean> {
  await session.query("savepoint ask");
  try {
    await session.query(`select ${values} from ${missing} limit 0`);
    await session.query("release savepoint ask");
    return true;
  } catch {
    await session.query("rollback to savepoint ask");
    return false;
  }
}

async function findOrphans(
  session: Session,
  live: LiveTable,
  missing: string,
  key: ForeignKey,
  coming: string | undefined,
): Promise<Examples> {
  const same = key.columns
    .map((column, at) => {
      const parent = `p.${quoteIdentifier(key.referenced[at] ?? "")}`;
      return `${parent} ${key.operators[at] ?? "="} r.${quoteIdentifier(column)}`;
    })
    .join(" and ");
  const given = key.columns.map((column) => `r.${quoteIdentifier(column)} is not null`).join(" and ");
  const also = coming === undefined ? "" : ` and not exists (select from ${coming} p where ${same})`;
  return await examplesOf(
    session,
    live,
    `(select r.* from ${missing} r where ${given} and not exists (select from ${key.parent} p where ${same})${also}) r`,
  );
}
