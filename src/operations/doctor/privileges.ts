import { counted } from "../../lib/text.ts";
import type { Session } from "../../postgres/session.ts";
import { ok, type Outcome, problem, someOf } from "./finding.ts";

// Beyond this a statement a table is tedious, and `ALL TABLES IN SCHEMA` says the same.
const SINGLE_GRANTS = 5;

interface Readable {
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "sequence";
  readonly usage: boolean;
  readonly readable: boolean;
}

/** The session's role as SQL writes it. */
export async function readRole(session: Session): Promise<string> {
  const [row] = await session.query<{ role: string }>("select pg_catalog.quote_ident(current_user) as role");
  return row?.role ?? "";
}

/**
 * Whether the role may read every table and sequence that a backup reads. Asks the catalogue alone: sizes, for one,
 * would wait for tables that are locked.
 */
export async function checkPrivileges(session: Session, schemas: readonly string[] | null): Promise<Outcome> {
  const all = await session.query<Readable>(
    `select pg_catalog.quote_ident(n.nspname) as schema, pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
            case when c.relkind = 'S' then 'sequence' else 'table' end as kind,
            pg_catalog.has_schema_privilege(n.oid, 'USAGE') as usage,
            case when c.relkind = 'S' then pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                 else pg_catalog.has_table_privilege(c.oid, 'SELECT') end as readable
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm', 'S') and c.relpersistence <> 't'
        and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and ($1::text[] is null or n.nspname = any ($1))
        and (c.relkind = 'S' or not exists (select from pg_catalog.pg_depend e
               where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'))
      order by n.nspname, c.relname`,
    [schemas],
  );
  const closed = all.filter(({ usage, readable }) => !usage || !readable);
  const tables = all.filter(({ kind }) => kind === "table").length;
  if (closed.length === 0) {
    return ok(`may read ${counted(tables, "table")} and ${counted(all.length - tables, "sequence")}`);
  }
  const role = await readRole(session);
  const names = closed.map(({ name }) => name);
  return problem(
    "privilege_missing",
    `${role} may not read ${counted(closed.length, "table or sequence", "tables and sequences")}: ${someOf(names)}`,
    `as their owner: \`${grants(closed, role).join("; ")}\``,
    names,
  );
}

/** The statements that open what is closed. */
function grants(closed: readonly Readable[], role: string): string[] {
  const schemas = [...new Set(closed.map(({ schema }) => schema))];
  return schemas.flatMap((schema) => {
    const here = closed.filter((one) => one.schema === schema);
    const usage = here.some((one) => !one.usage) ? [`grant usage on schema ${schema} to ${role}`] : [];
    return [
      ...usage,
      ...(["table", "sequence"] as const).flatMap((kind) => grantsOf(kind, schema, here, role)),
    ];
  });
}

function grantsOf(kind: Readable["kind"], schema: string, here: readonly Readable[], role: string): string[] {
  const names = here.filter((one) => one.kind === kind && !one.readable).map(({ name }) => name);
  if (names.length > SINGLE_GRANTS) return [`grant select on all ${kind}s in schema ${schema} to ${role}`];
  return names.length === 0 ? [] : [`grant select on ${kind} ${names.join(", ")} to ${role}`];
}
