import {
  compareDefinitions,
  type DefinitionDifferences,
  readDefinitions,
} from "../../engines/snapshot/definitions.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { majorOf } from "../../postgres/clients.ts";
import type { Session } from "../../postgres/session.ts";
import type { SnapshotContent } from "../../repository/manifest.ts";
import { findWriter, readLiveDefinitions, writerOf } from "../live-definitions.ts";
import type { BackupDetails } from "../show.ts";

/** The differences, or why there are none to be had. */
export type DefinitionsCompared =
  | { readonly differences: DefinitionDifferences }
  | { readonly differences: null; readonly reason: string };

/** Compares the definitions of two snapshots. */
export async function diffDefinitions(
  runtime: Runtime,
  first: BackupDetails,
  second: BackupDetails,
  signal: AbortSignal,
): Promise<DefinitionsCompared> {
  const [a, b] = [schemaArchive(first), schemaArchive(second)];
  if (a === undefined || b === undefined) return notCompared("an archive has them only in its text");
  if (writerOf(first.index) !== writerOf(second.index)) {
    return notCompared(`they were written by ${first.index.client} and ${second.index.client}`);
  }
  const client = await findWriter(runtime, first.index, signal);
  if (client === undefined)
    return notCompared(`${first.index.client}, which wrote them, is not installed here`);
  return {
    differences: compareDefinitions(
      await readDefinitions(runtime, client, a, signal),
      await readDefinitions(runtime, client, b, signal),
    ),
  };
}

/** Compares the definitions of a snapshot with those of the live database. */
export async function diffLiveDefinitions(
  runtime: Runtime,
  backup: BackupDetails,
  live: {
    readonly session: Session;
    readonly snapshot: string;
    readonly schemas: readonly string[] | null;
    readonly lockTimeoutMs: number;
  },
  signal: AbortSignal,
): Promise<DefinitionsCompared> {
  const archive = schemaArchive(backup);
  if (archive === undefined) return notCompared("an archive has them only in its text");
  const { session, snapshot, schemas, lockTimeoutMs } = live;
  if (majorOf(session.serverVersion) !== majorOf(backup.index.server.versionNumber)) {
    return notCompared("the server has another major version now");
  }
  const client = await findWriter(runtime, backup.index, signal);
  if (client === undefined)
    return notCompared(`${backup.index.client}, which wrote them, is not installed here`);
  const scope = { client, snapshot, schemas, lockTimeoutMs };
  return {
    differences: compareDefinitions(
      await readDefinitions(runtime, client, archive, signal),
      await readLiveDefinitions(runtime, session, scope, signal),
    ),
  };
}

const notCompared = (reason: string): DefinitionsCompared => ({ differences: null, reason });

function schemaArchive({ content }: BackupDetails): Buffer | undefined {
  if (!("schemaArchive" in content)) return undefined;
  return Buffer.from((content as SnapshotContent).schemaArchive, "base64");
}
