import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { makeTemporaryFolder } from "../../repository/temporary-folder.ts";
import { dumpArguments } from "../archive/dump.ts";
import { readBack } from "../archive/read-back.ts";

export interface SchemaDump {
  /** A custom archive without rows; `pg_restore` reads it. */
  readonly archive: Buffer;
  /** Roles that own something in it or are granted something. */
  readonly roles: readonly string[];
}

// The definitions of a hundred thousand tables; more is a mistake, not a schema.
const LARGEST = 512 * 1024 * 1024;

/** Dumps all definitions in the exported snapshot. `pg_dump` knows every kind of object; we never describe one ourselves. */
export async function dumpSchema(
  runtime: Runtime,
  request: {
    client: PostgresClient;
    settings: ConnectionSettings;
    snapshot: string;
    schemas: readonly string[] | null;
    extensions: readonly string[];
    /** See `DumpRequest`. */
    encoding: "UTF8" | undefined;
    lockTimeoutMs: number;
    /** As the server shows its session: for whoever watches its locks. */
    applicationName: string;
  },
  signal: AbortSignal,
): Promise<SchemaDump> {
  const { client, settings } = request;
  const archive = await runTool(
    runtime,
    {
      program: clientProgram(client, "pg_dump"),
      args: [
        "--schema-only",
        ...dumpArguments({ ...request, format: "custom", compression: "gzip" }).filter(
          (arg) => arg !== "--verbose",
        ),
      ],
      env: { ...toolEnvironment(runtime, settings), PGAPPNAME: request.applicationName },
      output: (stdout) => collectBytes(stdout),
    },
    signal,
  );
  const facts = await readBack(
    runtime,
    {
      open: () => Promise.resolve(Readable.from([archive])),
      format: "custom",
      compression: "gzip",
      client,
      expected: undefined,
    },
    signal,
  );
  return { archive, roles: facts.roles };
}

/** The whole of a stream; fails rather than hold more than any definitions can be. */
export async function collectBytes(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST) throw new AppError("unexpected", `dump the schema: more than ${LARGEST} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Puts bytes into a file of a temporary folder while `work` runs. */
export async function withTemporaryFile<T>(
  runtime: Runtime,
  data: Uint8Array,
  work: (path: string) => Promise<T>,
): Promise<T> {
  await using folder = await makeTemporaryFolder(runtime, "schema");
  const path = join(folder.path, "schema.dump");
  await writeFile(path, data, { mode: 0o600 });
  return await work(path);
}
