import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { readDumpText, type StoredArchive } from "./dump-text.ts";
import { type DumpFacts, DumpInspector } from "./inspect-dump.ts";
import { Meter, through } from "./pipe.ts";
import { progressTeller } from "./progress.ts";
import { requireHarmless, requireWhole } from "./whole-dump.ts";

export interface ReadBackRequest extends StoredArchive {
  /** What was written; undefined for an archive of which nobody knows. */
  readonly expected: { readonly size: number; readonly sha256: string } | undefined;
}

/**
 * Reads a stored archive from the first byte to the last: its size and SHA-256 where they are known, its compression's
 * checksums, and its text, in which every table's rows are counted. Errors: `backup_damaged` for whatever is cut short or
 * changed, `not_an_archive` for a dump that does more than fill one database, `client_missing`.
 */
export async function readBack(
  runtime: Runtime,
  request: ReadBackRequest,
  signal: AbortSignal,
): Promise<DumpFacts> {
  const tell = progressTeller(runtime, { phase: "read back" });
  const inspector = new DumpInspector();
  const stored = new Meter();
  const inspect = async (text: Readable): Promise<void> => {
    for await (const chunk of text as AsyncIterable<Buffer>) {
      inspector.write(chunk);
      tell({ bytes: inspector.bytes, tables: inspector.tables, table: inspector.table });
    }
  };
  try {
    await readDumpText(runtime, request, { output: inspect, meter: stored }, signal);
  } catch (error) {
    signal.throwIfAborted();
    // A changed byte can look like another format or a newer version; the hash knows better.
    if (request.expected !== undefined && !isAppError(error, "backup_damaged")) {
      compareStored(await readAll(request, signal), request.expected);
    }
    throw error;
  }
  if (request.expected !== undefined) {
    compareStored(stored.complete ? stored : await readAll(request, signal), request.expected);
  }
  const facts = inspector.end();
  requireWhole(facts);
  requireHarmless(facts.refusals);
  if (request.format === "custom") await compareContents(runtime, request, facts, signal);
  return facts;
}

function compareStored(stored: Meter, expected: { size: number; sha256: string }): void {
  const sha256 = stored.digest();
  if (stored.size === expected.size && sha256 === expected.sha256) return;
  const reason =
    stored.size === expected.size
      ? "its SHA-256 is not the one that was written"
      : `it has ${stored.size} bytes (${formatBytes(stored.size)}), ${expected.size} were written`;
  throw new AppError("backup_damaged", `read the archive back: ${reason}`, {
    hint: "use another backup, and check the disk it was on",
    details: { size: stored.size, sha256, expected },
  });
}

/** The whole of the stored bytes, for an archive whose decoder gave up, or had enough, before their end. */
async function readAll(request: StoredArchive, signal: AbortSignal): Promise<Meter> {
  const meter = new Meter();
  for await (const _ of through(await request.open(signal), meter)) continue;
  return meter;
}

// `3395; 0 16414 TABLE DATA public orders app`: what follows the type cannot be taken apart when names have spaces.
const TABLE_DATA = /^\d+; \d+ \d+ TABLE DATA /;

/** The archive's own table of contents must announce as many tables with rows as were found in its text. */
async function compareContents(
  runtime: Runtime,
  request: StoredArchive,
  facts: DumpFacts,
  signal: AbortSignal,
): Promise<void> {
  // Data written as INSERT statements has no blocks that could be counted.
  if (facts.inserts > 0) return;
  const count = async (list: Readable): Promise<number> => {
    let found = 0;
    for await (const line of createInterface({ input: list, crlfDelay: Infinity })) {
      if (TABLE_DATA.test(line)) found += 1;
    }
    return found;
  };
  const announced = await readDumpText(runtime, request, { output: count, restoreArgs: ["--list"] }, signal);
  if (announced === facts.tables.length) return;
  throw new AppError(
    "backup_damaged",
    `read the archive: it announces ${counted(announced, "table")} with rows and has ${facts.tables.length}`,
    { hint: "use another backup", details: { announced, found: facts.tables.length } },
  );
}
