import type { Runtime } from "../lib/runtime.ts";
import type { Output } from "./output.ts";

/** What `main.ts` builds once and every command gets. */
export interface Cli {
  readonly runtime: Runtime;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly cwd: string;
  /** The Node that runs us and the script it was given, both absolute: what a crontab has to name. */
  readonly node: string;
  readonly script: string;
  /** Where a person types answers; undefined where nobody can. */
  readonly input: NodeJS.ReadStream | undefined;
  /** What is piped in; undefined where a person types. */
  readonly piped: NodeJS.ReadableStream | undefined;
  /** The strategy named by `--config`. */
  readonly config: string | undefined;
  /** From now on the terminal's or the service's SIGHUP calls this, and no longer ends the command. */
  onHangup(listener: () => void): void;
  /** Sets the exit code of a command that ran to its end and has bad news. */
  exitWith(code: number): void;
}
