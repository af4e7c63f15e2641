import { AppError } from "../../errors.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { countUserObjects, databaseExists } from "../../postgres/admin.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { freeName } from "./names.ts";
import { isWhole, type Selection } from "./plan.ts";
import type { RestoreRequest } from "./request.ts";
import { requireAbsent } from "./select.ts";
import type { BackupSource } from "./source.ts";

/** The name that the restored database will have. Fails with `target_exists` when something would be in the way. */
export async function chooseTargetName(
  runtime: Runtime,
  request: RestoreRequest,
  source: BackupSource,
  admin: Session,
  signal: AbortSignal,
): Promise<string> {
  const { target, connection, selection, timeZone } = request;
  switch (target.kind) {
    case "swap":
      return connection.database;
    case "to":
      requireName(connection.database);
      if (await databaseExists(admin, connection.database)) {
        await using session = await connect(runtime, connection, signal);
        await requireRoom(session, selectionOf(source, selection));
      }
      return connection.database;
    case "new": {
      const time = formatLocalTime(runtime.clock.now(), timeZone);
      const name = target.name ?? (await freeName(admin, connection.database, `_restored_${time}`));
      requireName(name);
      if (await databaseExists(admin, name)) throw targetExists(name);
      return name;
    }
  }
}

/** The server would cut a longer one, or refuse none only when everything has been loaded. */
function requireName(name: string): void {
  if (name === "") throw new AppError("usage", "restore into a new database: its name is empty");
  if (Buffer.byteLength(name, "utf8") <= 63) return;
  throw new AppError("usage", `restore into ${name}: a name has at most 63 bytes`);
}

/** A backup of some schemas goes beside others, which may have what it needs. */
function selectionOf({ manifest }: BackupSource, selection: Selection): Selection {
  const schemas = manifest?.index.schemas ?? null;
  return isWhole(selection) && schemas !== null ? { schemas, tables: [] } : selection;
}

async function requireRoom(session: Session, selection: Selection): Promise<void> {
  // Every database has a schema `public`; whether it is in the way depends on what is in it.
  if (!isWhole(selection) && !selection.schemas.includes("public")) {
    await requireAbsent(session, selection);
    return;
  }
  const objects = await countUserObjects(session);
  if (objects === 0) return;
  throw new AppError(
    "target_exists",
    `restore into ${session.settings.database}: it is not empty (${counted(objects, "object")})`,
    {
      hint: "name a new database, or put the backup in its place with `--swap`",
    },
  );
}

export function targetExists(name: string): AppError {
  return new AppError("target_exists", `restore into ${name}: the database exists already`, {
    hint: "choose another name; `--swap` puts the backup in place of a database and keeps the old one",
  });
}
