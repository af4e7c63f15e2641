import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildProgram } from "../../scripts/build-program.ts";

/** What the folders of built programs are called; the process that made one follows. */
export const PROGRAMS_PREFIX = "handled-test-programs-";

const ROOT = join(import.meta.dirname, "../..");
const BESIDE = {
  "fast-main": "test/support/fast-main.ts",
  "run-step": "test/crash/run-step.ts",
};

/**
 * Builds what tests start as processes, as it is published: a process of the sources takes a second of the processor's time
 * to find, strip and load them, twice as much as one of what is built from them, and a run starts more than a thousand.
 */
export async function buildPrograms(): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), `${PROGRAMS_PREFIX}${process.pid}-`));
  const built = join(folder, "dist");
  await buildProgram(built, { beside: BESIDE });
  // The files that the package brings along lie beside it. Without its own, Node parses each file of the program to guess
  // what kind of module it is, which is a twelfth of what a start takes.
  await symlink(join(ROOT, "docs"), join(folder, "docs"));
  await symlink(join(ROOT, "package.json"), join(folder, "package.json"));
  return {
    folder: built,
    [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }),
  };
}
