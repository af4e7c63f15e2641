import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeDurable } from "../lib/durable.ts";
import { isThere } from "../lib/is-there.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder } from "../lib/state-folder.ts";
import type { Session } from "../postgres/session.ts";

/** Keeps on this machine that the session's database is what a recovery has made of a backup. */
export async function keepRestored(runtime: Runtime, session: Session, backup: string): Promise<void> {
  const path = await pathOf(runtime, session, backup);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeDurable(path, `${session.settings.database}\n`);
}

/** Whether a recovery of this machine has made the session's database of this backup. Another one of the same name is not it. */
export async function isRestoredHere(runtime: Runtime, session: Session, backup: string): Promise<boolean> {
  return await isThere(await pathOf(runtime, session, backup));
}

async function pathOf(runtime: Runtime, session: Session, backup: string): Promise<string> {
  const [found] = await session.query<{ cluster: string; oid: string }>(
    `select s.system_identifier::text as cluster, d.oid::text as oid
       from pg_catalog.pg_control_system() s, pg_catalog.pg_database d where d.datname = pg_catalog.current_database()`,
  );
  const of = `${found?.cluster} ${found?.oid} ${backup}`;
  const name = createHash("sha256").update(of).digest("hex").slice(0, 32);
  return join(stateFolder(runtime), "recoveries", "restored", name);
}
