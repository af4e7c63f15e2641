import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { threadsFromBuilt } from "./test/support/threads-from-built.ts";
import { useMemoryForTemporaryFiles } from "./test/support/memory-folder.ts";

const TMPDIR = useMemoryForTemporaryFiles();

export default defineConfig({
  plugins: [threadsFromBuilt()],
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    // Processes, because tests start children and servers, and one that crashes must not take the others along.
    pool: "forks",
    // As `bin/handled.js` does for the program: what threads run is compiled once, and V8 keeps its WebAssembly code.
    execArgv: ["--no-wasm-code-gc"],
    env: { TMPDIR, NODE_COMPILE_CACHE: join(TMPDIR, "handled-test-compile-cache") },
    // One more than there are cores where it is short: a tenth faster, for tests wait for servers and children now and then.
    // Four are no faster than three.
    maxWorkers: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { requireAssertions: true },
  },
});
