import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { furtherProjects } from "./test/support/further-projects.ts";
import { LongestFirst } from "./test/support/longest-first.ts";
import { threadsFromBuilt } from "./test/support/threads-from-built.ts";
import { useMemoryForTemporaryFiles } from "./test/support/memory-folder.ts";

const TMPDIR = useMemoryForTemporaryFiles();

export default defineConfig({
  plugins: [threadsFromBuilt()],
  test: {
    // Those beside their source share processes: for most of them, evaluating their imports anew takes longer than the tests.
    projects: [
      { test: { name: "units", include: ["src/**/*.test.ts"], isolate: false } },
      { test: { name: "whole", include: ["test/**/*.test.ts"] } },
      ...furtherProjects(),
    ],
    sequence: { sequencer: LongestFirst },
    globalSetup: ["test/support/global-setup.ts"],
    // Processes, because tests start children and servers, and one that crashes must not take the others along.
    pool: "forks",
    // As `bin/handled.js` does for the program: what threads run is compiled once, and V8 keeps its WebAssembly code.
    execArgv: ["--no-wasm-code-gc"],
    env: { TMPDIR, NODE_COMPILE_CACHE: join(TMPDIR, "handled-test-compile-cache") },
    // One more than there are cores where it is short: a tenth faster, for tests wait for servers and children now and then.
    // Four are no faster than three.
    maxWorkers: 3,
    // For what hangs. What is only slow where ten processes wait for two cores is none of that.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // One second, as it is otherwise, is what a server or a child may take that gets no processor for a while.
    expect: { requireAssertions: true, poll: { timeout: 60_000 } },
  },
});
