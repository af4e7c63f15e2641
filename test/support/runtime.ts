import { tmpdir } from "node:os";
import { join } from "node:path";
import { bucketEnvironment } from "./in-bucket.ts";
import { keyEnvironment } from "./keys.ts";
import { type Progress, type Runtime, makeRuntime } from "../../src/lib/runtime.ts";

/** A runtime that keeps what it was told. */
export interface TestRuntime extends Runtime {
  readonly notes: string[];
  readonly warnings: string[];
  readonly progress: Progress[];
  /** `before sql SELECT`, `after child pg_dump` … in order. */
  readonly operations: string[];
}

/** Real clock, PATH and TMPDIR of the test process and nothing else of its environment; HOME is a folder that does not exist. */
export function testRuntime(parts: Partial<Runtime> = {}): TestRuntime {
  const notes: string[] = [];
  const warnings: string[] = [];
  const progress: Progress[] = [];
  const operations: string[] = [];
  const runtime = makeRuntime({
    reporter: {
      note: (text) => void notes.push(text),
      warn: (text) => void warnings.push(text),
      progress: (one) => void progress.push(one),
      step: () => undefined,
    },
    observer: (phase, operation) => void operations.push(`${phase} ${operation}`),
    ...parts,
    env: {
      PATH: process.env["PATH"],
      HOME: join(tmpdir(), "handled-no-home"),
      TMPDIR: tmpdir(),
      ...bucketEnvironment(),
      ...keyEnvironment(),
      ...parts.env,
    },
  });
  return { ...runtime, notes, warnings, progress, operations };
}

/** For calls that nobody cancels. */
export function noAbort(): AbortSignal {
  return new AbortController().signal;
}
