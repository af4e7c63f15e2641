import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { AppError } from "../../src/errors.ts";
import { runCommandLine } from "../../src/cli/run.ts";

// The program, in a world in which half a minute passes in a second, from a moment that all processes share.
const SPEED = 30;
const origin = Number(process.env["FAST_ORIGIN"]);

const clock: Clock = {
  now: () => new Date(origin + (Date.now() - origin) * SPEED),
  monotonic: () => performance.now() * SPEED,
  wait: async (ms, signal) => await systemClock.wait(ms / SPEED, signal),
};

const stop = new AbortController();
let hangup: (() => void) | undefined;
process.on("SIGTERM", () => stop.abort(new AppError("interrupted", "stopped by SIGTERM")));
process.on("SIGHUP", () => hangup?.());
process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: undefined,
  node: process.execPath,
  script: process.argv[1] ?? "",
  signal: stop.signal,
  clock,
  onHangup: (listener) => {
    hangup = listener;
  },
});
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write("", resolve))),
);
process.exit();
