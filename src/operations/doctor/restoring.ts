import type { Runtime } from "../../lib/runtime.ts";
import { formatBytes } from "../../lib/text.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { listMarked, type MarkedDatabase } from "../../postgres/marker.ts";
import { quoteIdentifier, type Session } from "../../postgres/session.ts";
import { serverFreeBytes } from "../../postgres/space.ts";
import { describeHalfMade, type HalfMade, listHalfMade } from "../restore/half-made.ts";
import { type Check, ok, type Outcome, warning } from "./finding.ts";
import { readRole } from "./privileges.ts";

/** Whether a restore could run on the server, and what earlier ones left there. */
export function restoringChecks(runtime: Runtime, session: Session, signal: AbortSignal): Check[] {
  return [
    { id: "restore", required: false, run: () => checkRestore(runtime, session, signal) },
    { id: "server-space", required: false, run: () => checkServerSpace(session) },
    { id: "leftovers", required: false, run: () => checkLeftovers(runtime, session) },
  ];
}

async function checkRestore(runtime: Runtime, session: Session, signal: AbortSignal): Promise<Outcome[]> {
  const [row] = await session.query<{ standby: boolean; creates: boolean; owns: boolean }>(
    `select pg_catalog.pg_is_in_recovery() as standby, r.rolsuper or r.rolcreatedb as creates,
            r.rolsuper or pg_catalog.pg_has_role(d.datdba, 'USAGE') as owns
       from pg_catalog.pg_roles r, pg_catalog.pg_database d
      where r.rolname = current_user and d.datname = pg_catalog.current_database()`,
  );
  const { database } = session.settings;
  if (row?.standby === true) {
    return [
      warning(
        "the server is a standby: nothing can be restored on it",
        "restore with `--to URL` on its primary",
      ),
    ];
  }
  // Databases are created from another database; that it lets us in is part of the answer.
  await using _admin = await connectBeside(runtime, session.settings, [database], signal);
  const role = await readRole(session);
  const outcomes: Outcome[] = [];
  if (row?.creates !== true) {
    outcomes.push(
      warning(
        `${role} may not create databases, so it cannot restore here`,
        `as a superuser: \`alter role ${role} createdb\`; or restore with \`--to URL\` of a role that may`,
      ),
    );
  }
  if (row?.owns !== true) {
    outcomes.push(
      warning(
        `${role} does not own ${database}, so it cannot swap it`,
        `as the owner: \`alter database ${quoteIdentifier(database)} owner to ${role}\`; or restore as the owner`,
      ),
    );
  }
  return outcomes.length > 0 ? outcomes : [ok(`${role} may create databases and swap ${database}`)];
}

async function checkServerSpace(session: Session): Promise<Outcome> {
  const free = await serverFreeBytes(session);
  if (free === undefined) return ok("the server's free space cannot be seen from here");
  const size = await databaseBytes(session);
  const text = `${formatBytes(free)} free on the server's disk, the database takes ${formatBytes(size)}`;
  if (free > size) return ok(text);
  return warning(
    `${text}: a restore beside it would not fit`,
    "free space there, or restore with `--to URL` on another server",
  );
}

/** Bytes of the whole database on the server's disk. Waits for no table. */
export async function databaseBytes(session: Session): Promise<number> {
  const [row] = await session.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(pg_catalog.current_database()) as bytes",
  );
  return Number(row?.bytes);
}

async function checkLeftovers(runtime: Runtime, session: Session): Promise<Outcome[]> {
  const outcomes = [
    ...(await listMarked(session)).flatMap((one) => judgeReplaced(runtime, session, one)),
    ...(await listHalfMade(session)).map((one) => judgeHalfMade(runtime, one)),
  ];
  return outcomes.length > 0 ? outcomes : [ok("no database is left over from a restore")];
}

function judgeReplaced(
  runtime: Runtime,
  session: Session,
  { database, marker, bytes }: MarkedDatabase,
): Outcome[] {
  if (marker.purpose !== "replaced" || marker.name !== session.settings.database) return [];
  const size = bytes === null ? "" : ` (${formatBytes(bytes)})`;
  const text = `${database}${size} is what a swap replaced on ${marker.at}`;
  if (new Date(marker.dropAfter) > runtime.clock.now())
    return [ok(`${text}; kept until ${marker.dropAfter}`)];
  return [warning(`${text}; it was kept until ${marker.dropAfter}`, "`handled prune` drops it")];
}

function judgeHalfMade(runtime: Runtime, one: HalfMade): Outcome {
  const { database, target, maker, bytes } = one;
  const size = bytes === null ? "" : ` (${formatBytes(bytes)})`;
  if (maker === "alive") return ok(`a restore of ${target} is running into ${database}${size}`);
  const { message, hint } = describeHalfMade(one, runtime.clock.now());
  return warning(message, hint);
}
