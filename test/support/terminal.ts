import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";
import { builtProgram } from "./built-program.ts";
import { type CliResult, cliEnvironment } from "./cli.ts";

export const ENTER = "\r";
export const CTRL_C = "\u0003";
export const DOWN = "\u001b[B";
export const SPACE = " ";

const LONGEST_MS = 120_000;

/** What is typed once this text was shown. */
export type Step = readonly [shown: string, typed: string];

export interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the real program in a terminal of its own (`script` makes one) and types. Everything shown is in `stdout`. */
export async function typeInto(
  args: readonly string[],
  steps: readonly Step[],
  { cwd, env = {} }: TerminalOptions,
): Promise<CliResult> {
  const program = [process.execPath, builtProgram("main"), ...args].map((word) => `'${word}'`).join(" ");
  // Without a size every letter would have a line of its own.
  const command = `stty cols 120 rows 40; exec ${program}`;
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd,
    env: { ...cliEnvironment(env), TERM: "xterm", SHELL: "/bin/sh" },
    stdio: ["pipe", "pipe", "pipe"],
    // A question that nobody answers would keep the process for ever.
    timeout: LONGEST_MS,
  });
  let raw = "";
  let shown = "";
  let from = 0;
  const waiting = [...steps];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    raw += chunk;
    shown = stripVTControlCharacters(raw);
    for (;;) {
      const [step] = waiting;
      const at = step === undefined ? -1 : shown.indexOf(step[0], from);
      if (step === undefined || at === -1) return;
      from = at + step[0].length;
      waiting.shift();
      child.stdin.write(step[1]);
    }
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [unseen] = waiting;
  if (unseen !== undefined) throw new Error(`never shown: ${unseen[0]}\n${shown}`);
  return { code, stdout: shown, stderr: "" };
}
