import type { Cluster } from "../../postgres/cluster.ts";
import { quoteIdentifier, quoteLiteral } from "../../postgres/session.ts";
import { ADMIN, type DatabaseUser, DEFAULT_DATABASE, newPassword } from "./managed-cluster.ts";
import { asSuperuser, type Service } from "./managed-server.ts";
import { unprocessable } from "./refusal.ts";

// Users of a cluster are roles of its server. The administrator of the customer's is no superuser.

export async function makeAdmin(
  service: Service,
  server: Cluster,
  signal: AbortSignal,
): Promise<DatabaseUser> {
  const password = newPassword();
  await asSuperuser(service, server, "postgres", signal, async (session) => {
    await session.query(
      `create role ${ADMIN} login createdb createrole replication bypassrls password ${quoteLiteral(password)}`,
    );
    await session.query(`grant pg_monitor, pg_signal_backend to ${ADMIN} with admin option`);
    await session.query(`create database ${DEFAULT_DATABASE} owner ${ADMIN}`);
  });
  return { name: ADMIN, role: "primary", password, replication: true };
}

/** Makes the role; one that is there already, in a fork, gets the new password. */
export async function makeUser(
  service: Service,
  server: Cluster,
  { name, replication }: { readonly name: string; readonly replication: boolean },
  signal: AbortSignal,
): Promise<DatabaseUser> {
  const user: DatabaseUser = { name, role: "normal", password: newPassword(), replication };
  await asSuperuser(service, server, "postgres", signal, async (session) => {
    const [found] = await session.query("select from pg_catalog.pg_roles where rolname = $1", [name]);
    const verb = found === undefined ? "create" : "alter";
    const login = `login ${replication ? "replication" : "noreplication"} password ${quoteLiteral(user.password)}`;
    await session.query(`${verb} role ${quoteIdentifier(name)} ${login}`);
  });
  return user;
}

export async function setPassword(
  service: Service,
  server: Cluster,
  { name, password }: { readonly name: string; readonly password: string | null },
  signal: AbortSignal,
): Promise<void> {
  const value = password === null ? "null" : quoteLiteral(password);
  await asSuperuser(service, server, "postgres", signal, (session) =>
    session.query(`alter role ${quoteIdentifier(name)} password ${value}`),
  );
}

/** Drops the role; what it owns in any database becomes the administrator's. */
export async function dropUser(
  service: Service,
  server: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const role = quoteIdentifier(name);
  for (const database of await listDatabases(service, server, signal)) {
    await asSuperuser(service, server, database, signal, async (session) => {
      await session.query(`reassign owned by ${role} to ${ADMIN}`);
      await session.query(`drop owned by ${role}`);
    });
  }
  await asSuperuser(service, server, "postgres", signal, (session) => session.query(`drop role ${role}`));
}

/** The customer's roles that the server has. */
export async function listRoles(service: Service, server: Cluster, signal: AbortSignal): Promise<string[]> {
  const rows = await asSuperuser(service, server, "postgres", signal, (session) =>
    session.query<{ name: string }>(
      "select rolname::text as name from pg_catalog.pg_roles where not rolsuper and rolcanlogin order by oid",
    ),
  );
  return rows.map(({ name }) => name);
}

/** The customer's databases that the server has. */
export async function listDatabases(
  service: Service,
  server: Cluster,
  signal: AbortSignal,
): Promise<string[]> {
  const rows = await asSuperuser(service, server, "postgres", signal, (session) =>
    session.query<{ name: string }>(
      "select datname::text as name from pg_catalog.pg_database where not datistemplate and datname <> 'postgres' order by oid",
    ),
  );
  return rows.map(({ name }) => name);
}

export async function makeDatabase(
  service: Service,
  server: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  if ((await listDatabases(service, server, signal)).includes(name) || name === "postgres")
    throw unprocessable(`name: there is a database ${name}`);
  await asSuperuser(service, server, "postgres", signal, (session) =>
    session.query(`create database ${quoteIdentifier(name)} owner ${ADMIN}`),
  );
}

export async function dropDatabase(
  service: Service,
  server: Cluster,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  await asSuperuser(service, server, "postgres", signal, (session) =>
    session.query(`drop database ${quoteIdentifier(name)} with (force)`),
  );
}
