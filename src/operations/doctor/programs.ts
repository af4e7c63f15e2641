import { isAppError } from "../../errors.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";

/** Whether a shell would find this command: a program on the PATH, an executable path, or a word of its own. */
export async function isCommand(runtime: Runtime, word: string, signal: AbortSignal): Promise<boolean> {
  // Through the environment, because the word comes from a command line that may hold secrets.
  const env = { ...runtime.env, HANDLED_WORD: word };
  const args = ["-c", 'command -v "$HANDLED_WORD"'];
  try {
    await runForText(runtime, { program: "/bin/sh", args, env }, signal);
    return true;
  } catch (error) {
    if (isAppError(error, "tool_failed")) return false;
    throw error;
  }
}

/**
 * The program that a shell command line starts with, behind any `NAME=value`; undefined when only the shell itself
 * could tell (quotes, variables, subshells).
 */
export function firstWord(command: string): string | undefined {
  const line = command.trim().replace(/^(?:[A-Za-z_]\w*=[^\s'"$`\\;&|()<>]*\s+)+/, "");
  return /^[\w./+@:,-]+(?=[\s;&|<>]|$)/.exec(line)?.[0];
}
