import { type Definitions, readDefinitions } from "../engines/snapshot/definitions.ts";
import { dumpSchema } from "../engines/snapshot/schema.ts";
import type { Runtime } from "../lib/runtime.ts";
import { findClients, majorOf, parseVersion, type PostgresClient } from "../postgres/clients.ts";
import type { Session } from "../postgres/session.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { definitionsEncoding, extensionsIn } from "./dump-scope.ts";

export interface LiveDefinitions {
  readonly client: PostgresClient;
  /** Exported by the session, whose transaction is open. */
  readonly snapshot: string;
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  readonly lockTimeoutMs: number;
}

/** The definitions of a database, dumped as a snapshot of these schemas would have them. */
export async function readLiveDefinitions(
  runtime: Runtime,
  session: Session,
  { client, snapshot, schemas, lockTimeoutMs }: LiveDefinitions,
  signal: AbortSignal,
): Promise<Definitions> {
  const extensions = await extensionsIn(session, schemas);
  const { archive } = await dumpSchema(
    runtime,
    {
      client,
      settings: session.settings,
      snapshot,
      schemas,
      extensions,
      encoding: await definitionsEncoding(session),
      lockTimeoutMs,
      applicationName: "handled",
    },
    signal,
  );
  return await readDefinitions(runtime, client, archive, signal);
}

/** The major version of the program that wrote a backup's definitions: another one words them in another way. */
export function writerOf(index: BackupIndex): number {
  return majorOf(parseVersion(index.client) ?? 0);
}

/** A program of that version; undefined when none is installed. */
export async function findWriter(
  runtime: Runtime,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<PostgresClient | undefined> {
  const clients = await findClients(runtime, signal);
  return clients.findLast(({ version }) => majorOf(version) === writerOf(index));
}
