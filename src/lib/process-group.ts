import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { AppError, messageOf } from "../errors.ts";
import { endGroup, isGroupAlive, sendTo } from "./end-processes.ts";
import { withVariable } from "./living-processes.ts";
import { keepTail } from "./process.ts";
import type { Runtime } from "./runtime.ts";

// What a command has said is read soon after it has ended. Whatever it left running may hold its output open.
const LAST_WORDS_MS = 1000;

export interface GroupCall {
  /** A command line for `/bin/sh`. It reaches the shell through the environment, for everybody can read arguments. */
  readonly command: string;
  /** The whole environment of its processes. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it runs; the current folder when left out. */
  readonly directory?: string;
  /** Name and value of a variable of that environment, by which processes that left the group are found. */
  readonly mark: { readonly name: string; readonly value: string };
}

/** A command and all that it starts. */
export interface ProcessGroup {
  /** Settles when the shell has ended, and what it said is known: exit code, or signal. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Whether anything of it still runs. */
  isAlive(): Promise<boolean>;
  /** The end of what it wrote, without secrets. */
  tail(): string;
  /**
   * Ends all of it: the group with SIGTERM, then what is left of it with SIGKILL, then whatever has left the group.
   * @returns how many had left the group
   */
  end(): Promise<number>;
}

const SHELL = 'exec 2>&1; command=$HANDLED_COMMAND; unset HANDLED_COMMAND; eval "$command"';

// Should we be killed, the pipe to this one is closed, and it ends the group in our place.
const WATCHER =
  'trap "" TERM INT HUP; read -r group || exit 0; read -r rest; kill -s TERM -- "-$group"; sleep 2; kill -s KILL -- "-$group"';

/** Starts a command in a process group of its own. Fails with `client_missing` where there is no shell. */
export async function startGroup(runtime: Runtime, call: GroupCall): Promise<ProcessGroup> {
  const { command, env, directory, mark } = call;
  const watcher = await started(
    spawn("/bin/sh", ["-c", WATCHER], {
      env: { PATH: env["PATH"] },
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    }),
  );
  // It may be killed by somebody else; then there is nobody to tell.
  watcher.stdin?.on("error", () => undefined);
  const shell = spawn("/bin/sh", ["-c", SHELL], {
    env: { ...env, [mark.name]: mark.value, HANDLED_COMMAND: command },
    ...(directory === undefined ? {} : { cwd: directory }),
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    shell.once("close", (code, signal) => resolve({ code, signal }));
    shell.once("exit", (code, signal) => {
      setTimeout(() => resolve({ code, signal }), LAST_WORDS_MS).unref();
    });
  });
  const tail = keepTail(runtime, shell.stdout);
  const { pid: group = 0 } = await started(shell).catch((error: unknown) => {
    watcher.kill("SIGKILL");
    throw error;
  });
  watcher.stdin?.write(`${group}\n`);
  return {
    ended,
    isAlive: async () => await isGroupAlive(group),
    tail,
    end: async () => {
      await endGroup(group);
      const left = await endMarked(mark.name, (value) => value === mark.value);
      watcher.kill("SIGKILL");
      // Whoever left us may hold it open.
      shell.stdout?.destroy();
      return left;
    },
  };
}

/**
 * Kills the processes that have a variable in their environment whose value is wanted.
 * @returns how many
 */
export async function endMarked(
  name: string,
  isWanted: (value: string) => boolean | Promise<boolean>,
): Promise<number> {
  const ended = new Set<number>();
  // One may have started another while we looked.
  for (let rounds = 0; rounds < 5; rounds++) {
    let found = 0;
    for (const { pid, value } of await withVariable(name)) {
      if (ended.has(pid) || !(await isWanted(value))) continue;
      ended.add(pid);
      found += 1;
      sendTo(pid, "SIGKILL");
    }
    if (found === 0) break;
  }
  return ended.size;
}

async function started<Child extends ChildProcess>(child: Child): Promise<Child> {
  try {
    if (child.pid === undefined) await once(child, "spawn");
  } catch (cause) {
    throw new AppError("client_missing", `start /bin/sh: ${messageOf(cause)}`, { cause });
  }
  return child;
}
