import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { chooseClient, findClients } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { dropRoles, ensureRoles } from "../../postgres/roles.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { fillDatabase } from "./fill.ts";
import { checkSource, requireChosen } from "./plan.ts";
import { fillChosen } from "./select-snapshot.ts";
import { requireServerSpace } from "./server-space.ts";
import type { BackupSource } from "./source.ts";
import { createTemporaryDatabase, dropAbandoned } from "./temporary-database.ts";

/**
 * Restores tables of a backup into a scratch database beside a live one while `work` looks at them; an archive can only be
 * restored whole. The scratch database and the roles made for it are dropped again.
 * @param tables written `schema.table`
 */
export async function withScratch<T>(
  runtime: Runtime,
  call: {
    readonly source: BackupSource;
    readonly database: string;
    readonly tables: readonly string[];
    readonly live: ConnectionSettings;
    readonly lanes: number;
  },
  work: (session: Session) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { source, live, lanes, database, tables } = call;
  await using admin = await connectBeside(runtime, live, [live.database], signal);
  const client = chooseClient(await findClients(runtime, signal), admin.serverVersion);
  const selection = { schemas: [], tables };
  const checked = await checkSource(runtime, source, selection, client, signal);
  requireChosen(checked, selection);
  await dropAbandoned(runtime, admin, signal);
  const stored = source.manifest?.index.totals.serverBytes ?? checked.facts.bytes;
  if (source.kind === "archive") await requireServerSpace(admin, { stored, copies: 1, copied: null });
  const made = await ensureRoles(admin, checked.facts.roles);
  try {
    const properties = source.manifest?.content.database ?? null;
    await using scratch = await createTemporaryDatabase(runtime, admin, database, properties);
    const to = scratch.settings;
    if (source.kind === "snapshot") {
      await fillChosen(runtime, { source, selection, client, to, lanes }, signal);
    } else {
      const whole = { client, settings: to, singleTransaction: false, lanes, statistics: false };
      await fillDatabase(runtime, checked, whole, signal);
    }
    await using session = await connect(runtime, to, signal);
    return await work(session);
  } finally {
    for (const problem of await dropRoles(runtime, admin.settings, made)) runtime.reporter.warn(problem);
  }
}
