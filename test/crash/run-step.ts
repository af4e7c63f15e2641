import { writeFileSync } from "node:fs";
import { runCommandLine } from "../../src/cli/run.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import type { Observer } from "../../src/lib/runtime.ts";
import { type Moment, observing, observingSteps } from "./moments.ts";
import type { Step } from "./harness.ts";

// Runs one command line as the real program does, and dies without a word at the moment it was told. Without such a
// moment it runs to its end and says which moments there were.
const step = JSON.parse(process.argv[2] ?? "") as Step;
const moments: Moment[] = [];

/** Nobody who waits for time to pass is woken: what happens only after a while would make runs differ. */
const stillClock: Clock = {
  ...systemClock,
  wait: (_, signal) =>
    new Promise((_resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) stop();
      else signal.addEventListener("abort", stop, { once: true });
    }),
};

function killing({ killAt, killAtNew, landmarks }: Step): Observer {
  if (killAtNew === undefined)
    return observing(landmarks, (moment) => {
      moments.push(moment);
      if (moment === killAt) process.kill(process.pid, "SIGKILL");
    });
  const tried = new Set(killAtNew.tried);
  return observingSteps(new RegExp(killAtNew.chosen), (moment) => {
    if (tried.has(moment)) return;
    writeFileSync(process.stdout.fd, moment);
    process.kill(process.pid, "SIGKILL");
  });
}

const code = await runCommandLine(step.args, {
  env: process.env,
  cwd: process.cwd(),
  stdout: { write: () => true },
  stderr: process.stderr,
  stdin: undefined,
  node: process.execPath,
  script: import.meta.filename,
  signal: new AbortController().signal,
  ...(step.timeStandsStill ? { clock: stillClock } : {}),
  observer: killing(step),
});
writeFileSync(process.stdout.fd, JSON.stringify(moments));
process.exit(code);
