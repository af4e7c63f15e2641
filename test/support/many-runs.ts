import { createHash } from "node:crypto";
import { compressFrames } from "../../src/lib/zstd-frames.ts";
import { monthFolder, monthOfRun } from "../../src/repository/layout.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import { RUN_OPERATIONS, type RunFile } from "../../src/repository/run-file.ts";
import { openStorage } from "../../src/storage/open.ts";
import { noAbort, testRuntime } from "./runtime.ts";

const START = Date.UTC(2016, 0, 1);
const MINUTE = 60_000;

/**
 * Fills a repository with records of this many runs, all in folded months; one in fifty did not end well.
 * @param everyMinutes how far they lie apart
 * @param start when the first began
 * @param database whose runs they are
 */
export async function fillRuns(
  folder: string,
  count: number,
  everyMinutes = 5,
  start = START,
  database = "data",
): Promise<void> {
  const { storage } = await openOrCreateRepository(
    testRuntime(),
    openStorage(testRuntime(), folder),
    noAbort(),
  );
  let month = "";
  let lines: string[] = [];
  const endMonth = async (): Promise<void> => {
    if (lines.length === 0) return;
    const packed = Buffer.concat(compressFrames(Buffer.from(lines.join("")), 3));
    const name = createHash("sha256").update(packed).digest("hex").slice(0, 16);
    await storage.put(`${monthFolder(database, month)}${name}.zst`, packed, noAbort());
    lines = [];
  };
  for (let n = 0; n < count; n++) {
    const run = { ...runNumber(n, start + n * everyMinutes * MINUTE), database };
    if (monthOfRun(run.id) !== month) {
      await endMonth();
      month = monthOfRun(run.id);
    }
    lines.push(`${JSON.stringify(run)}\n`);
  }
  await endMonth();
}

function runNumber(n: number, began: number): RunFile {
  const at = new Date(began).toISOString();
  const isBad = n % 50 === 7;
  const error = { code: "tool_failed", message: "back up data: run pg_dump: exit code 1", hint: "try again" };
  return {
    format: 1,
    id: `${at.replace(/[-:]/g, "")}-${n.toString(16).padStart(8, "0")}`,
    operation: RUN_OPERATIONS[n % RUN_OPERATIONS.length] ?? "backup",
    database: "data",
    entry: "nightly",
    startedAt: at,
    finishedAt: new Date(Date.parse(at) + 41_000 + n).toISOString(),
    by: {
      host: "backup-1",
      user: "handled",
      pid: 4711 + (n % 10_000),
      bootId: "b1d1c5c8-7a3e-4e0b-9e57-0c9c2b9d8f10",
      pidNamespace: "pid:[4026531836]",
      processStart: String(200_000 + n),
      operation: "backup",
    },
    program: "handled 0.1.0",
    outcome: isBad ? "failed" : "done",
    backup: null,
    figures: { rows: 412_906 + n, bytes: 98_210_990 + n, storedBytes: 14_120_355 },
    summary: isBad ? "" : "snapshot of 12 tables",
    error: isBad ? error : null,
  };
}
