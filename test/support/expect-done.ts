import { expect } from "vitest";
import type { CliResult } from "./cli.ts";

/** Fails with what the command said where it did not do all that it was to. */
export function expectDone(result: CliResult): CliResult {
  expect(result.code, result.stderr).toBe(0);
  return result;
}
