import { setFlagsFromString } from "node:v8";
import { AppError } from "../errors.ts";
import { coverArguments } from "../lib/secrets.ts";

// Every user of the machine can read our arguments; from here on they see this.
const covered = coverArguments([process.execPath, ...process.argv.slice(1)]);
if (covered !== undefined) process.title = covered;

// A stream leaves a buffer behind for each of its chunks. While new objects have little room, V8 collects them soon;
// otherwise it lets some 60 MB of them pile up, and the peak of a long dump passes 200 MB.
setFlagsFromString("--semi-space-growth-factor=1");

const stop = new AbortController();
let hangup: (() => void) | undefined;
// The first signal stops what is going on and tidies up; a second one ends the process at once.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    if (name === "SIGHUP" && hangup !== undefined && !stop.signal.aborted) return hangup();
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new AppError("interrupted", `stopped by ${name}`));
  });
}
// Whoever reads our output may leave (`handled list | head -1`); that is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

// Loaded only now, for loading all of it is where that room would grow first.
const { runCommandLine } = await import("./run.ts");
const { JOB_MARK } = await import("../daemon/job-process.ts");
// However long a job goes on, what it says fills no disk.
const lines =
  process.env[JOB_MARK] === undefined
    ? undefined
    : (await import("../jobs/left-out.ts")).boundedLines(process.stderr.fd);
// The kernel goes on showing it of us, and nothing that we start has it.
delete process.env[JOB_MARK];
process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: lines ?? process.stderr,
  stdin: process.stdin.isTTY ? process.stdin : undefined,
  piped: process.stdin.isTTY ? undefined : process.stdin,
  node: process.execPath,
  script: process.argv[1] ?? "",
  signal: stop.signal,
  onHangup: (listener) => {
    hangup = listener;
  },
});
// A pipe takes 64 KiB at once; what its reader has not taken yet would be lost with us.
await Promise.all([process.stdout, process.stderr].map(written));
// What is still open now (a socket that does not close, a timer) must not keep a finished command alive.
process.exit();

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}
