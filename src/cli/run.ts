import { CommanderError } from "commander";
import { AppError, isAppError } from "../errors.ts";
import { systemClock } from "../lib/clock.ts";
import { type Observer, type Runtime, silentObserver } from "../lib/runtime.ts";
import { KeyRing } from "../lib/key-ring.ts";
import { Secrets } from "../lib/secrets.ts";
import type { Clock } from "../lib/clock.ts";
import type { Cli } from "./cli.ts";
import { reportFailure } from "./failure.ts";
import { formatDuration } from "../lib/text.ts";
import { Output, type Terminal } from "./output.ts";
import { buildProgram } from "./program.ts";

/** All of the outside that a command line sees. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Where a person can type; undefined where nobody can. */
  readonly stdin: NodeJS.ReadStream | undefined;
  /** What is piped in, where nobody can type. */
  readonly piped?: NodeJS.ReadableStream | undefined;
  readonly node: string;
  readonly script: string;
  readonly signal: AbortSignal;
  readonly onHangup?: (listener: () => void) => void;
  /** Replaced by tests. */
  readonly clock?: Clock;
  readonly observer?: Observer;
}

interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly color: boolean;
  readonly identity?: readonly string[];
  readonly deadline?: number;
  readonly progress?: "json";
}

const USAGE_EXIT = 2;

/** Runs one command line and returns its exit code (see docs/reference/errors.md). Never throws. */
export async function runCommandLine(args: readonly string[], world: World): Promise<number> {
  const clock = world.clock ?? systemClock;
  const secrets = new Secrets();
  const late = new AbortController();
  const signal = AbortSignal.any([world.signal, late.signal]);
  let exitCode = 0;
  let timer: NodeJS.Timeout | undefined;
  let output = makeOutput(world, { color: true }, secrets, clock);
  let cli: Cli | undefined;
  const endWith = (code: number): number => {
    output.ended(code);
    return code;
  };
  const program = await buildProgram(() => {
    if (cli === undefined) throw new AppError("unexpected", "a command ran before its options were read");
    return cli;
  }, args);
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, "handled: ")),
    })
    .hook("preAction", (_, action) => {
      const options = action.optsWithGlobals<GlobalOptions>();
      output = makeOutput(world, options, secrets, clock);
      const runtime: Runtime = {
        clock,
        env: world.env,
        reporter: output,
        // This very one: threads need not tell of what they do, nor wait until somebody has looked.
        observer: world.observer ?? silentObserver,
        secrets,
        keys: new KeyRing(options.identity, async (file) => {
          const { askerOf } = await import("./prompt.ts");
          return cli && (await askerOf(cli, `read ${file}`)?.secret(`Passphrase of ${file}`));
        }),
      };
      cli = {
        runtime,
        output,
        signal,
        cwd: world.cwd,
        node: world.node,
        script: world.script,
        input: world.stdin,
        piped: world.piped,
        config: options.config,
        onHangup: world.onHangup ?? (() => undefined),
        exitWith: (code) => {
          exitCode = code;
        },
      };
      const empty = action.args.includes("") ? "an argument" : emptyOption(action.optsWithGlobals());
      timer = startDeadline(options.deadline, action.name(), late);
      if (empty !== undefined) {
        throw new AppError("usage", `${action.name()}: ${empty} is empty`, {
          hint: "if it was a variable of a script, it is not set",
        });
      }
    });
  // Subcommands were made before the two settings above; they have to be told as well.
  for (const command of program.commands.flatMap((top) => [top, ...top.commands])) {
    command.copyInheritedSettings(program);
  }
  try {
    await program.parseAsync([...args], { from: "user" });
    return endWith(exitCode);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // Its words are on standard error already; whoever asked for JSON reads the other one. `help` is no error to tell.
      if (args.includes("--json") && error.code !== "commander.help") {
        const message = error.message.replace(/^error: /, "");
        output.json({ error: { code: "usage", message, details: {} } });
      }
      return endWith(USAGE_EXIT);
    }
    // Whoever was stopped may know better what that means.
    const isTold = isAppError(error, "interrupted") && error.hint !== undefined;
    const reason = signal.aborted && !isTold ? signal.reason : error;
    reportFailure(output, reason);
    return endWith(reason instanceof AppError ? reason.exitCode : 1);
  } finally {
    clearTimeout(timer);
    output.clear();
  }
}

function startDeadline(
  ms: number | undefined,
  command: string,
  late: AbortController,
): NodeJS.Timeout | undefined {
  if (ms === undefined) return undefined;
  const error = new AppError("deadline_passed", `${command}: not done within ${formatDuration(ms)}`, {
    hint: "give it more time with `--deadline`, or the strategy's `deadline`; `handled history` shows how long it took before",
  });
  return setTimeout(() => late.abort(error), ms);
}

/** An option that was given without a value: `--url "$URL"` would mean another server, that of libpq's defaults. */
function emptyOption(options: Readonly<Record<string, unknown>>): string | undefined {
  const isEmpty = (value: unknown): boolean => value === "" || (Array.isArray(value) && value.includes(""));
  const found = Object.entries(options).find(([, value]) => isEmpty(value));
  if (found === undefined) return undefined;
  return `\`--${found[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}\``;
}

function makeOutput(world: World, options: GlobalOptions, secrets: Secrets, clock: Clock): Output {
  const wantsColor = options.color && world.env["NO_COLOR"] === undefined && world.stderr.isTTY === true;
  return new Output(
    { stdout: world.stdout, stderr: world.stderr },
    {
      json: options.json === true,
      quiet: options.quiet === true,
      verbose: options.verbose === true,
      color: wantsColor && world.stdout.isTTY === true,
      progress: options.progress,
    },
    secrets,
    () => clock.monotonic(),
  );
}
