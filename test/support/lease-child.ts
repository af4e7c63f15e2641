import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PROGRAM = join(import.meta.dirname, "lease-child-main.ts");

/** Another process that tries to take the lease of database `shop` in this folder. */
export interface LeaseChild extends AsyncDisposable {
  /** Lets it try; resolves with `held` or with the code and message of the error. */
  try(): Promise<string>;
  /** Lets it give the lease back and end. */
  release(): Promise<void>;
  /** Kills it without a chance to tidy up. */
  kill(): Promise<void>;
}

/** Starts a process that is ready to try at once. */
export async function startLeaseChild(folder: string): Promise<LeaseChild> {
  const child = spawn(process.execPath, [PROGRAM, folder], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("the lease child ended");
    return value;
  };
  const say = (word: string): void => void child.stdin.write(`${word}\n`);
  if ((await nextLine()) !== "ready") throw new Error("the lease child is not ready");
  return {
    try: async () => {
      say("try");
      return await nextLine();
    },
    release: async () => {
      say("release");
      await ended(child);
    },
    kill: async () => {
      child.kill("SIGKILL");
      await ended(child);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended(child);
    },
  };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once("close", resolve));
}
