import { AppError } from "../../errors.ts";
import { counted, formatCount, nearest } from "../../lib/text.ts";
import { listSchemas } from "../../postgres/catalog.ts";
import type { Session } from "../../postgres/session.ts";
import { checkDependencies } from "./dependencies.ts";
import { type Check, ok, type Outcome, problem, someOf, warning } from "./finding.ts";
import { checkPrivileges, readRole } from "./privileges.ts";

/** The schemas to be read that are there, and those that are not. */
export interface ChosenSchemas {
  /** Null: the whole database. */
  readonly present: readonly string[] | null;
  readonly missing: readonly string[];
  readonly others: readonly string[];
}

export async function chooseSchemas(
  session: Session,
  wanted: readonly string[] | null,
): Promise<ChosenSchemas> {
  const all = await listSchemas(session);
  if (wanted === null) return { present: null, missing: [], others: all };
  return {
    present: wanted.filter((schema) => all.includes(schema)),
    missing: wanted.filter((schema) => !all.includes(schema)),
    others: all.filter((schema) => !wanted.includes(schema)),
  };
}

/** Throws `schema_missing`, naming every schema that is not there. */
export function judgeSchemas({ present, missing, others }: ChosenSchemas): Outcome {
  if (present === null) return ok(`the whole database: ${counted(others.length, "schema")}`);
  const [first] = missing;
  if (first === undefined)
    return ok(`the ${present.length === 1 ? "schema" : "schemas"} ${present.join(", ")}`);
  const guess = nearest(first, others);
  throw new AppError(
    "schema_missing",
    `not in the database: ${missing.length === 1 ? "schema" : "schemas"} ${missing.join(", ")}`,
    {
      hint:
        guess === undefined
          ? `the database has: ${[...present, ...others].join(", ") || "no schema"}`
          : `did you mean ${guess}? the database has: ${[...present, ...others].join(", ")}`,
    },
  );
}

/** Whether everything in the chosen schemas can be read, and what would be missing without them. */
export function readingChecks(session: Session, schemas: readonly string[] | null): Check[] {
  return [
    { id: "privileges", required: true, run: () => checkPrivileges(session, schemas) },
    { id: "row-security", required: true, run: () => checkRowSecurity(session, schemas) },
    { id: "large-objects", required: false, run: () => checkLargeObjects(session, schemas) },
    { id: "dependencies", required: false, run: () => checkDependencies(session, schemas) },
    { id: "locks", required: false, run: () => checkLocks(session, schemas) },
  ];
}

/** With policies in force only some rows are visible; `row_security = off` makes that an error instead of a gap. */
async function checkRowSecurity(session: Session, schemas: readonly string[] | null): Promise<Outcome> {
  const rows = await session.query<{ name: string }>(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relrowsecurity and c.relpersistence <> 't'
        and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and ($1::text[] is null or n.nspname = any ($1))
        and pg_catalog.row_security_active(c.oid)
      order by 1`,
    [schemas],
  );
  if (rows.length === 0) return ok("no row level security hides rows from this role");
  const names = rows.map(({ name }) => name);
  const role = await readRole(session);
  return problem(
    "privilege_missing",
    `row level security hides rows from ${role} in ${counted(names.length, "table")}: ${someOf(names)}`,
    `as a superuser: \`alter role ${role} bypassrls\`; or back up as the tables' owner`,
    names,
  );
}

async function checkLargeObjects(session: Session, schemas: readonly string[] | null): Promise<Outcome> {
  const [row] = await session.query<{ count: string; unreadable: string }>(
    `select count(*) as count, count(*) filter (where not (
              (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user)
              or pg_catalog.pg_has_role(m.lomowner, 'USAGE')
              or exists (select from pg_catalog.aclexplode(m.lomacl) a where a.privilege_type = 'SELECT'
                            and (a.grantee = 0 or pg_catalog.pg_has_role(a.grantee, 'USAGE'))))) as unreadable
       from pg_catalog.pg_largeobject_metadata m`,
  );
  const [count, unreadable] = [Number(row?.count), Number(row?.unreadable)];
  if (count === 0) return ok("no large objects");
  if (schemas !== null) {
    return warning(
      `${counted(count, "large object")} will not be in a backup of chosen schemas`,
      "back up the whole database as well, if they are needed",
    );
  }
  if (unreadable === 0) return ok(`${counted(count, "large object")}, all readable`);
  const role = await readRole(session);
  return problem(
    "privilege_missing",
    `${role} may not read ${formatCount(unreadable)} of ${counted(count, "large object")}`,
    `as their owner: \`grant select on large object … to ${role}\`; or back up as a superuser`,
  );
}

/** Only an ACCESS EXCLUSIVE lock keeps a dump from reading. What its holder is doing is not told: SQL may hold data. */
async function checkLocks(session: Session, schemas: readonly string[] | null): Promise<Outcome> {
  const rows = await session.query<{ name: string; holder: string; pid: number | null }>(
    `select pg_catalog.format('%I.%I', n.nspname, c.relname) as name, l.pid,
            case when l.pid is null then 'a prepared transaction'
                 else pg_catalog.format('process %s (user %s, application %s, %s since %s)', l.pid, coalesce(a.usename, 'unknown'),
                        coalesce(nullif(a.application_name, ''), 'unnamed'), coalesce(a.state, 'unknown'),
                        coalesce(to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'unknown')) end as holder
       from pg_catalog.pg_locks l
       join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'relation' and l.granted and l.mode = 'AccessExclusiveLock' and c.relkind in ('r', 'p')
        and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        and l.pid is distinct from pg_catalog.pg_backend_pid() and c.relpersistence <> 't'
        and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and ($1::text[] is null or n.nspname = any ($1))
      order by 1`,
    [schemas],
  );
  if (rows.length === 0) return ok("no lock keeps a table from being read");
  const locks = rows.map(({ name, holder }) => `${name} by ${holder}`);
  const [pid] = rows.map((row) => row.pid);
  return warning(
    `locked at the moment, a backup would wait: ${someOf(locks)}`,
    pid === null
      ? "`select * from pg_prepared_xacts` shows it; commit it or roll it back"
      : `wait for it, or end it with \`select pg_terminate_backend(${pid})\``,
    locks,
  );
}
