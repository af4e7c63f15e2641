import type { Session } from "./session.ts";

// has_largeobject_privilege() came with it.
const PRIVILEGE_FUNCTION_SINCE = 180_000;

/**
 * Large objects that the role may not read. `pg_dump` would fail at the first, after a long time. Fails with
 * `privilege_missing` where even their list is closed to the role.
 */
export async function listUnreadableLargeObjects(session: Session): Promise<number[]> {
  const readable =
    session.serverVersion >= PRIVILEGE_FUNCTION_SINCE
      ? "pg_catalog.has_largeobject_privilege(m.oid, 'SELECT')"
      : `pg_catalog.pg_has_role(m.lomowner, 'USAGE')
         or pg_catalog.current_setting('lo_compat_privileges')::bool
         or exists (select from pg_catalog.aclexplode(m.lomacl) a
                     where a.privilege_type = 'SELECT'
                       and case when a.grantee = 0 then true else pg_catalog.pg_has_role(a.grantee, 'USAGE') end)`;
  const rows = await session.query<{ oid: number }>(
    `select m.oid::int8::float8 as oid from pg_catalog.pg_largeobject_metadata m where not (${readable}) order by m.oid`,
  );
  return rows.map((row) => row.oid);
}

/** Roles that own a large object, or are granted something on one, or granted it. */
export async function listLargeObjectRoles(session: Session): Promise<string[]> {
  const rows = await session.query<{ name: string }>(
    `select r.rolname as name from pg_catalog.pg_roles r
      where r.oid in (select m.lomowner from pg_catalog.pg_largeobject_metadata m
                      union select a.grantee from pg_catalog.pg_largeobject_metadata m, pg_catalog.aclexplode(m.lomacl) a
                      union select a.grantor from pg_catalog.pg_largeobject_metadata m, pg_catalog.aclexplode(m.lomacl) a)
      order by 1`,
  );
  return rows.map((row) => row.name);
}
