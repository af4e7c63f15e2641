import { createReadStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { runPsql } from "../../engines/archive/run-psql.ts";
import { isThere } from "../../lib/is-there.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { chooseClient, findClients } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import { output, type Outputs } from "../plan.ts";

/**
 * Where the next script is kept that takes inserted rows out again. A recovery that was killed may have left some: each may be of
 * rows that are there, so none is written over.
 * @param prefix a path without ending, in a folder that is made where it is not there
 */
export async function unusedUndoFile(prefix: string, outputs: Outputs): Promise<string> {
  await mkdir(dirname(prefix), { recursive: true, mode: 0o700 });
  return pathOf(prefix, outputs, (await listUndoFiles(prefix, outputs)).length + 1);
}

/** Runs all scripts of a recovery, the last first, and returns their paths. Rows that are not there are no error. */
export async function runUndoFiles(
  runtime: Runtime,
  prefix: string,
  { outputs, live }: { readonly outputs: Outputs; readonly live: ConnectionSettings },
  signal: AbortSignal,
): Promise<string[]> {
  const files = (await listUndoFiles(prefix, outputs)).toReversed();
  if (files.length === 0) return files;
  const clients = await findClients(runtime, signal);
  await using session = await connect(runtime, live, signal);
  const client = chooseClient(clients, session.serverVersion);
  for (const file of files)
    await runPsql(runtime, { client, settings: session.settings, sql: createReadStream(file) }, signal);
  return files;
}

/** Of what nobody will want to undo. */
export async function removeUndoFiles(prefix: string, outputs: Outputs): Promise<void> {
  for (const file of await listUndoFiles(prefix, outputs)) await rm(file, { force: true });
}

/** The scripts that a recovery has left, the first first. */
export async function listUndoFiles(prefix: string, outputs: Outputs): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const path = pathOf(prefix, outputs, found.length + 1);
    if (!(await isThere(path))) return found;
    found.push(path);
  }
}

/** A recovery has a name of its own: the moment at which it first looked. */
function pathOf(prefix: string, outputs: Outputs, number: number): string {
  const since = output(outputs, "since").replaceAll(/[-:.]/g, "");
  return `${prefix}-${since}${number === 1 ? "" : `-${number}`}.sql`;
}
