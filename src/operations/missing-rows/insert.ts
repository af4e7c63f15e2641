import { AppError } from "../../errors.ts";
import { namingBlocker } from "../../postgres/blockers.ts";
import { quoteIdentifier, quoteLiteral, type Session } from "../../postgres/session.ts";
import { type Compared, compareStaged, differ } from "./compare.ts";
import { columnsWith, sameKey } from "./live-table.ts";
import type { Staged } from "./stage.ts";

interface InsertCall {
  /** Parents first. */
  readonly staged: readonly Staged[];
  /** What was shown to whoever agreed. */
  readonly preview: readonly Compared[];
  readonly where: string | null;
  readonly disableTriggers: boolean;
  readonly lockTimeoutMs: number;
  readonly observer: Session;
  /** Called before the commit, with what was inserted: writes down how it is undone. */
  readonly beforeCommit: (compared: readonly Compared[]) => Promise<void>;
}

/**
 * Compares once more under locks that keep writers out, and inserts what is missing, all in one transaction: any failure,
 * and the end of this process, leaves the tables as they were. Returns what was inserted, and by name the tables of which a
 * trigger changed rows while they were inserted.
 */
export async function insertMissing(
  session: Session,
  { staged, preview, where, disableTriggers, lockTimeoutMs, observer, beforeCommit }: InsertCall,
): Promise<{ readonly compared: readonly Compared[]; readonly altered: readonly string[] }> {
  await session.query("begin isolation level read committed");
  try {
    await session.query("set local row_security = off");
    await session.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
    const wait = {
      operation: "lock the tables to insert into",
      relations: staged.map(({ live }) => live.oid),
      modes: WRITERS,
      waitedMs: lockTimeoutMs,
    };
    const names = staged.map(({ live }) => `only ${live.quoted}`).join(", ");
    await namingBlocker(observer, wait, () =>
      session.query(`lock table ${names} in share row exclusive mode`),
    );
    const compared = await compareStaged(session, staged, where, preview);
    requireParents(compared);
    await session.query("set constraints all deferred");
    for (const one of compared) await insert(session, one, disableTriggers);
    const altered: string[] = [];
    for (const one of compared) if (await isAltered(session, one)) altered.push(one.staged.live.quoted);
    await beforeCommit(compared);
    await session.query("commit");
    return { compared, altered };
  } catch (error) {
    // The first error is the one to report; a lost connection has rolled back by itself.
    await session.query("rollback").catch(() => undefined);
    throw error;
  }
}

// Those that SHARE ROW EXCLUSIVE excludes (PostgreSQL manual, "Explicit Locking").
const WRITERS = [
  "RowExclusiveLock",
  "ShareUpdateExclusiveLock",
  "ShareLock",
  "ShareRowExclusiveLock",
  "ExclusiveLock",
  "AccessExclusiveLock",
];

/** Fails where a row would refer to nothing: with `rows_differ`, naming the tables to bring back too. */
export function requireParents(compared: readonly Compared[]): void {
  const orphans = compared.flatMap(({ staged, facts }) =>
    facts.orphans.map((one) => ({ of: staged.live.quoted, ...one })),
  );
  const [first] = orphans;
  if (first === undefined) return;
  const parents = [...new Set(orphans.map(({ parent }) => parent))];
  throw new AppError(
    "rows_differ",
    `bring missing rows back: ${first.rows} of ${first.of} refer to rows of ${first.parent} that are not there (${first.constraint}), such as ${first.keys[0] ?? ""}`,
    { hint: `bring these back with them: ${parents.map((name) => `--table ${name}`).join(" ")}` },
  );
}

async function insert(
  session: Session,
  { staged, missing, facts }: Compared,
  disable: boolean,
): Promise<void> {
  if (facts.missing.rows === 0) return;
  const { live, columns } = staged;
  const triggers = disable ? live.triggers : [];
  for (const { name } of triggers)
    await session.query(`alter table only ${live.quoted} disable trigger ${quoteIdentifier(name)}`);
  await session.query(
    `insert into ${live.quoted} (${columns.map(quoteIdentifier).join(", ")}) overriding system value
       select ${columnsWith("m", columns)} from ${missing} m`,
  );
  for (const { name, enabled } of triggers) {
    const as = enabled === "A" ? "enable always" : "enable";
    await session.query(`alter table only ${live.quoted} ${as} trigger ${quoteIdentifier(name)}`);
  }
  await advanceSequences(session, staged, missing);
}

/** Fails unless every row is there; says whether one is another than in the backup. */
async function isAltered(session: Session, { staged, missing, facts }: Compared): Promise<boolean> {
  const { live, columns } = staged;
  const [found] = await session.query<{ there: number; altered: number }>(
    `select count(*)::float8 as there, (count(*) filter (where ${differ(columns, "m", "t")}))::float8 as altered
       from ${missing} m join only ${live.quoted} t on ${sameKey(live, "t", "m")}`,
  );
  if (found?.there !== facts.missing.rows) {
    throw new AppError(
      "rows_differ",
      `bring missing rows back: of ${facts.missing.rows} rows inserted into ${live.quoted} ${found?.there ?? 0} are there`,
      { hint: "a trigger or a rule keeps rows out; `--disable-triggers` inserts without them" },
    );
  }
  return found.altered > 0;
}

/** A sequence that was reset since would give out keys again that are taken now: it goes on after them, never back. */
async function advanceSequences(session: Session, { live, columns }: Staged, missing: string): Promise<void> {
  for (const column of columns) {
    const [owned] = await session.query<{ sequence: string | null }>(
      "select pg_catalog.pg_get_serial_sequence($1, $2) as sequence",
      [live.quoted, column],
    );
    const sequence = owned?.sequence ?? null;
    if (sequence === null) continue;
    await session.query(
      `select pg_catalog.setval(${quoteLiteral(sequence)}::pg_catalog.regclass, m.highest)
         from (select max(${quoteIdentifier(column)})::int8 as highest from ${missing}) m, ${sequence} s,
              pg_catalog.pg_sequence d
        where d.seqrelid = ${quoteLiteral(sequence)}::pg_catalog.regclass and d.seqincrement > 0
          and (m.highest > s.last_value or (m.highest = s.last_value and not s.is_called))`,
    );
  }
}
