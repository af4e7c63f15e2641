#!/usr/bin/env node
// Plain JavaScript that an old Node can read, so that it can say what is wrong.
import { existsSync } from "node:fs";
import module from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import v8 from "node:v8";

const major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    `handled: start: Node ${process.versions.node} is too old, 24 or newer is needed\n` +
      "hint: install Node 24, or in a checkout use `npm run handled -- …`, which brings its own\n",
  );
  process.exit(2);
}
// Compiled code is kept between runs, which saves half of the time it takes to start. In the user's own folder: in one
// that others may write to, they could leave code for us to run. Where there is none, nothing is kept.
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "handled");
module.enableCompileCache(cache);
// Threads look for it here alone.
process.env.NODE_COMPILE_CACHE ??= cache;
// Freeing WebAssembly code while threads come and go can end the process: https://github.com/nodejs/node/issues/64500
v8.setFlagsFromString("--no-wasm-code-gc");

const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/main.js", import.meta.url);
// A checkout runs its sources; the published package has only what was built from them.
await import((existsSync(source) ? source : built).href);
