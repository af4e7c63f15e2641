import type { Runtime } from "../lib/runtime.ts";
import { connectBeside, dropDatabase } from "../postgres/admin.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { listMarked } from "../postgres/marker.ts";

/** A database that a swap or an undo set aside. */
export interface ReplacedDatabase {
  readonly database: string;
  /** The name it had. */
  readonly of: string;
  readonly replacedAt: Date;
  readonly dropAfter: Date;
  readonly bytes: number | null;
  /** Its lifetime is over. */
  readonly expired: boolean;
}

/** What swaps of this database have set aside on its server; with `drop`, those past their lifetime are dropped. */
export async function listReplaced(
  runtime: Runtime,
  connection: ConnectionSettings,
  drop: boolean,
  signal: AbortSignal,
): Promise<ReplacedDatabase[]> {
  await using admin = await connectBeside(runtime, connection, [connection.database], signal);
  const now = runtime.clock.now();
  const found: ReplacedDatabase[] = [];
  for (const { database, marker, bytes } of await listMarked(admin)) {
    if (marker.purpose !== "replaced" || marker.name !== connection.database) continue;
    const dropAfter = new Date(marker.dropAfter);
    const expired = dropAfter <= now;
    if (expired && drop) await dropDatabase(admin, database);
    found.push({ database, of: marker.name, replacedAt: new Date(marker.at), dropAfter, bytes, expired });
  }
  return found;
}
