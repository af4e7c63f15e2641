import { AppError, isAppError } from "../errors.ts";
import { isSqlState, quoteIdentifier, quoteLiteral, type Session } from "./session.ts";

/** What belongs to a database itself, and `pg_dump` of chosen schemas does not carry. */
export interface Properties {
  readonly owner: string;
  readonly encoding: string;
  readonly collate: string;
  readonly ctype: string;
  /** `libc`, `icu` or `builtin`. */
  readonly localeProvider: string;
  /** The ICU or builtin locale, where the provider has one. */
  readonly locale: string | null;
  readonly icuRules: string | null;
  readonly connectionLimit: number;
  readonly comment: string | null;
  /** `ALTER DATABASE … SET`; with a role: `ALTER ROLE … IN DATABASE … SET`. */
  readonly settings: readonly { readonly role: string | null; readonly assignment: string }[];
  /** Null where the privileges are PostgreSQL's defaults. A null grantee is PUBLIC. Whoever gave them does not count. */
  readonly grants: readonly Grant[] | null;
}

interface Grant {
  readonly grantee: string | null;
  readonly privilege: string;
  readonly grantable: boolean;
}

const PROVIDERS: Readonly<Record<string, string>> = { c: "libc", i: "icu", b: "builtin" };

/** Reads the properties of a database of the session's server. Null when there is no such database. */
export async function readProperties(session: Session, database: string): Promise<Properties | null> {
  // The locale columns came with 15 and were renamed in 17; pg_database as JSON answers on every version.
  const [row] = await session.query<{
    owner: string;
    encoding: string;
    facts: Record<string, string | number | boolean | null>;
    comment: string | null;
    default_grants: boolean;
  }>(
    `select pg_catalog.pg_get_userbyid(d.datdba) as owner, pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
            pg_catalog.to_jsonb(d) - 'datacl' as facts, pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
            d.datacl is null as default_grants
       from pg_catalog.pg_database d where d.datname = $1`,
    [database],
  );
  if (row === undefined) return null;
  const text = (key: string): string | null => {
    const value = row.facts[key];
    return typeof value === "string" ? value : null;
  };
  const settings = await session.query<{ role: string | null; assignment: string }>(
    `select case when s.setrole = 0 then null else pg_catalog.pg_get_userbyid(s.setrole) end as role, a.assignment
       from pg_catalog.pg_db_role_setting s join pg_catalog.pg_database d on d.oid = s.setdatabase
      cross join lateral pg_catalog.unnest(s.setconfig) with ordinality a(assignment, position)
      where d.datname = $1 order by 1 nulls first, a.position`,
    [database],
  );
  const grants = await session.query<Grant>(
    `select case when g.grantee = 0 then null else pg_catalog.pg_get_userbyid(g.grantee) end as grantee,
            g.privilege_type as privilege, pg_catalog.bool_or(g.is_grantable) as grantable
       from pg_catalog.pg_database d cross join lateral pg_catalog.aclexplode(d.datacl) g
      where d.datname = $1 group by g.grantee, g.privilege_type order by 1 nulls first, 2`,
    [database],
  );
  return {
    owner: row.owner,
    encoding: row.encoding,
    collate: text("datcollate") ?? "C",
    ctype: text("datctype") ?? "C",
    localeProvider: PROVIDERS[text("datlocprovider") ?? "c"] ?? "libc",
    locale: text("datlocale") ?? text("daticulocale"),
    icuRules: text("daticurules"),
    connectionLimit: Number(row.facts["datconnlimit"] ?? -1),
    comment: row.comment,
    settings,
    grants: row.default_grants ? null : grants,
  };
}

/** `CREATE DATABASE` from template0 with the given encoding and locale; the session's role owns it at first. */
export async function createDatabase(
  session: Session,
  name: string,
  properties: Properties | null,
): Promise<void> {
  const options = ["template template0"];
  if (properties !== null) {
    options.push(
      `encoding ${quoteLiteral(properties.encoding)}`,
      `lc_collate ${quoteLiteral(properties.collate)}`,
      `lc_ctype ${quoteLiteral(properties.ctype)}`,
    );
    if (session.serverVersion >= 150000) options.push(`locale_provider ${properties.localeProvider}`);
    if (properties.locale !== null) {
      const key = properties.localeProvider === "builtin" ? "builtin_locale" : "icu_locale";
      options.push(`${key} ${quoteLiteral(properties.locale)}`);
    }
    if (properties.icuRules !== null) options.push(`icu_rules ${quoteLiteral(properties.icuRules)}`);
  }
  await session.query(`create database ${quoteIdentifier(name)} with ${options.join(" ")}`);
}

/**
 * Gives a database owner, settings, grants, connection limit and comment. What names roles or settings that the server
 * does not have, or is not for the session's role to give, is left out and returned as sentences, so that the caller
 * can say so.
 */
export async function applyProperties(
  session: Session,
  name: string,
  properties: Properties,
): Promise<string[]> {
  const leftOut: string[] = [];
  const database = quoteIdentifier(name);
  const roles = new Set(
    (await session.query<{ rolname: string }>("select rolname from pg_catalog.pg_roles")).map(
      (row) => row.rolname,
    ),
  );
  const give = async (what: string, role: string | null, sql: string): Promise<boolean> => {
    if (role !== null && !roles.has(role)) {
      leftOut.push(`${what}: no such role`);
      return false;
    }
    try {
      await session.query(sql);
      return true;
    } catch (error) {
      const reason = isAppError(error, "privilege_missing")
        ? `${session.settings.user} may not give it`
        : UNKNOWN_SETTING.find(([state]) => isSqlState(error, state))?.[1];
      if (reason === undefined) throw error;
      leftOut.push(`${what}: ${reason}`);
      return false;
    }
  };
  const giveGrants = async (grants: readonly Grant[]): Promise<void> => {
    for (const { grantee, privilege, grantable } of grants) {
      const to = grantee === null ? "public" : quoteIdentifier(grantee);
      const option = grantable && grantee !== null ? " with grant option" : "";
      const grant = `grant ${privilegeSql(privilege)} on database ${database} to ${to}${option}`;
      await give(`${privilege} for ${grantee ?? "everybody"}`, grantee, grant);
    }
  };
  for (const { role, assignment } of properties.settings) {
    const setting = `setting ${assignment.split("=")[0]}`;
    const set = `set ${settingSql(assignment)}`;
    if (role === null) await give(setting, null, `alter database ${database} ${set}`);
    else
      await give(
        `${setting} of ${role}`,
        role,
        `alter role ${quoteIdentifier(role)} in database ${database} ${set}`,
      );
  }
  if (properties.grants !== null) {
    await session.query(`revoke all on database ${database} from public`);
    await giveGrants(properties.grants);
  }
  if (properties.connectionLimit !== -1) {
    await session.query(`alter database ${database} connection limit ${properties.connectionLimit}`);
  }
  if (properties.comment !== null) {
    await session.query(`comment on database ${database} is ${quoteLiteral(properties.comment)}`);
  }
  // Last, for after it a role that is no superuser may no longer change the rest.
  const { owner } = properties;
  const given = await give(
    `owner ${owner}`,
    owner,
    `alter database ${database} owner to ${quoteIdentifier(owner)}`,
  );
  if (given && properties.grants !== null) {
    // What the session's role held as the owner, and what was granted to it just now, went to the new owner as well.
    for (const role of new Set([owner, session.settings.user])) {
      const revoke = `revoke all on database ${database} from ${quoteIdentifier(role)}`;
      if (await give(`privileges of ${role}`, role, revoke))
        await giveGrants(properties.grants.filter(({ grantee }) => grantee === role));
    }
  }
  return leftOut;
}

// Of an extension that is not there, or of another version of PostgreSQL.
const UNKNOWN_SETTING: readonly (readonly [sqlState: string, reason: string])[] = [
  ["42704", "this server does not know it"],
  ["22023", "this server does not take its value"],
  ["55P02", "this server sets it only when it starts"],
];

const PRIVILEGES = new Set(["CREATE", "CONNECT", "TEMPORARY"]);

function privilegeSql(privilege: string): string {
  if (PRIVILEGES.has(privilege)) return privilege;
  throw new AppError("unexpected", `grant on database: unknown privilege ${privilege}`);
}

// Settings whose value is a list of names: each is quoted by itself, or the list would become one name.
// Source: GUC_LIST_QUOTE in PostgreSQL's guc_tables.c; pg_dump's variable_is_guc_list_quote() names the same.
const LIST_SETTINGS = new Set([
  "local_preload_libraries",
  "search_path",
  "session_preload_libraries",
  "shared_preload_libraries",
  "temp_tablespaces",
  "unix_socket_directories",
]);

/** `search_path=a, "B"` → `search_path = 'a', 'B'`; `work_mem=4MB` → `work_mem = '4MB'`. */
export function settingSql(assignment: string): string {
  const at = assignment.indexOf("=");
  if (at < 1) throw new AppError("unexpected", `read a database setting: no = in ${assignment}`);
  const name = assignment.slice(0, at);
  const value = assignment.slice(at + 1);
  const key = name.split(".").map(quoteIdentifier).join(".");
  const literals = LIST_SETTINGS.has(name.toLowerCase())
    ? splitList(value).map(quoteLiteral)
    : [quoteLiteral(value)];
  return `${key} = ${literals.length === 0 ? "''" : literals.join(", ")}`;
}

function splitList(value: string): string[] {
  return [...value.matchAll(/"((?:[^"]|"")*)"|([^\s,]+)/g)].map((match) =>
    match[1] === undefined ? (match[2] ?? "") : match[1].replaceAll('""', '"'),
  );
}

/** Every difference between two databases' properties, as sentences; empty when they are equal. */
export function compareProperties(expected: Properties, actual: Properties): string[] {
  const differences: string[] = [];
  const keys: (keyof Properties)[] = [
    "owner",
    "encoding",
    "collate",
    "ctype",
    "localeProvider",
    "locale",
    "icuRules",
    "connectionLimit",
    "comment",
    "settings",
    "grants",
  ];
  for (const key of keys) {
    const [a, b] = [canonical(expected[key]), canonical(actual[key])];
    if (a !== b) differences.push(`database ${key}: ${a} before, ${b} after`);
  }
  return differences;
}

function canonical(value: Properties[keyof Properties]): string {
  if (!Array.isArray(value)) return JSON.stringify(value);
  return JSON.stringify(value.map((item) => JSON.stringify(item)).toSorted());
}
