import { dumpArchive } from "../engines/archive/dump.ts";
import { AppError } from "../errors.ts";
import type { UnnamedFile } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { PostgresClient } from "../postgres/clients.ts";
import { connect } from "../postgres/session.ts";
import type { ArchiveFile } from "../repository/manifest.ts";
import { fillDatabase } from "./restore/fill.ts";
import { checkSource } from "./restore/plan.ts";
import type { BackupSource } from "./restore/source.ts";
import { withCheckServer } from "./verify/check-server.ts";
import { noFindings } from "./verify/findings.ts";
import { clientOf } from "./verify/integrity.ts";

export interface DumpThroughServer {
  readonly source: BackupSource;
  readonly file: UnnamedFile;
  readonly compression: ArchiveFile["compression"];
  readonly jobs: number;
}

export interface DumpedThroughServer {
  readonly size: number;
  readonly sha256: string;
  /** Reads what it wrote. */
  readonly client: PostgresClient;
}

const WHOLE = { schemas: [], tables: [] };
// Nobody else is on that server.
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Makes a custom archive of a backup that is none: restores it into a throw-away server, where its rows are compared, and
 * has `pg_dump` dump that. Only `pg_dump` knows how to write one.
 */
export async function dumpThroughServer(
  runtime: Runtime,
  { source, file, compression, jobs }: DumpThroughServer,
  signal: AbortSignal,
): Promise<DumpedThroughServer> {
  const { manifest } = source;
  if (manifest === null) {
    throw new AppError("usage", `export ${source.label} as a custom archive: it is no backup of ours`, {
      hint: "restore it into a database, and take a custom archive of that with `handled backup --format custom`",
    });
  }
  const { index, content } = manifest;
  const checked = await checkSource(runtime, source, WHOLE, await clientOf(runtime, index, signal), signal);
  const request = {
    index,
    content,
    roles: [...new Set([...checked.facts.roles, ...content.roles])],
    to: null,
  };
  return await withCheckServer(
    runtime,
    request,
    noFindings(),
    async (server) => {
      await using restored = await server.createDatabase();
      const { settings } = restored;
      const client = await clientOf(runtime, index, signal, server.admin.serverVersion);
      await fillDatabase(
        runtime,
        checked,
        { client, settings, singleTransaction: false, lanes: jobs, statistics: false },
        signal,
      );
      await using session = await connect(runtime, settings, signal);
      await session.query("begin isolation level repeatable read read only");
      const [exported] = await session.query<{ name: string }>(
        "select pg_catalog.pg_export_snapshot() as name",
      );
      const dumped = await dumpArchive(
        runtime,
        {
          client,
          settings: session.settings,
          applicationName: "handled export",
          snapshot: exported?.name ?? "",
          // The restored database holds what the backup has, and nothing else.
          schemas: null,
          extensions: [],
          encoding: undefined,
          format: "custom",
          compression,
          staged: file,
          lockTimeoutMs: LOCK_TIMEOUT_MS,
        },
        signal,
      );
      return { ...dumped, client };
    },
    signal,
  );
}
