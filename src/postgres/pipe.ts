import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runTool } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "./clients.ts";
import { type ConnectionSettings, toolEnvironment } from "./connection.ts";

export interface PipeCall {
  readonly client: PostgresClient;
  readonly from: ConnectionSettings;
  readonly to: ConnectionSettings;
  /** Arguments of `pg_dump` that choose what goes over. The format is plain text. */
  readonly dumpArgs: readonly string[];
}

/**
 * Copies what `pg_dump` gives of one database into another, in one transaction: the COMMIT is sent only after `pg_dump`
 * ended well. Without that, a dump cut short would end psql's input early, and psql would commit half of it.
 */
export async function pipeDump(runtime: Runtime, call: PipeCall, signal: AbortSignal): Promise<void> {
  await runTool(
    runtime,
    {
      program: clientProgram(call.client, "psql"),
      args: ["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--set=VERBOSITY=verbose", "--file=-"],
      env: toolEnvironment(runtime, call.to),
      input: Readable.from(dumpInTransaction(runtime, call, signal)),
      output: drain,
    },
    signal,
  );
}

async function* dumpInTransaction(
  runtime: Runtime,
  call: PipeCall,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from("begin;\n");
  const text = new PassThrough();
  const dumped = runTool(
    runtime,
    {
      program: clientProgram(call.client, "pg_dump"),
      args: ["--format=plain", "--no-password", ...call.dumpArgs],
      env: toolEnvironment(runtime, call.from),
      output: (stdout) => pipeline(stdout, text),
    },
    signal,
  );
  // Awaited below. When psql fails first this generator ends early, and the failure of the dump is only its echo.
  dumped.catch((error: unknown) => text.destroy(error instanceof Error ? error : undefined));
  for await (const chunk of text as AsyncIterable<Buffer>) yield chunk;
  await dumped;
  yield Buffer.from("commit;\n");
}

async function drain(stream: Readable): Promise<void> {
  for await (const _ of stream) continue;
}
