import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { messageOf } from "../../src/errors.ts";
import { builtProgram } from "../support/built-program.ts";
import { cliEnvironment } from "../support/cli.ts";
import type { Moment } from "./moments.ts";

/** What `run-step.ts` is told. */
export interface Step {
  readonly args: readonly string[];
  /** Undefined: run to the end. */
  readonly killAt?: Moment;
  /** Die at the first moment, of those that match, that is not among the tried; which one is told on the output. */
  readonly killAtNew?: { readonly tried: readonly Moment[]; readonly chosen: string };
  readonly landmarks: readonly string[];
  readonly timeStandsStill: boolean;
}

/** A command that is killed at every moment of its run, in places that do not disturb each other. */
export interface CrashTest<Lane> {
  /** Each has all it needs of its own (database, repository); as many runs go on at once. */
  readonly lanes: readonly Lane[];
  readonly args: (lane: Lane) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Looks at what a killed run left. `all` are the moments of a clean run, in its order. */
  readonly inspect: (lane: Lane, moment: Moment, all: readonly Moment[]) => Promise<void>;
  /** Takes note of what the clean run left in its lane. */
  readonly recorded?: (lane: Lane) => Promise<void>;
  /** Makes a lane fit for the next run. Left out, that goes on in what the killed one left, and has to recover by itself. */
  readonly recover?: (lane: Lane) => Promise<void>;
  /** Operations (such as the first after recovery) that mark the same point in every run; see `observing`. */
  readonly landmarks?: readonly string[];
  /** Which moments to try; default all. */
  readonly only?: (moment: Moment) => boolean;
  /** False for commands that wait for something by the clock, such as an application's health. Default true. */
  readonly timeStandsStill?: boolean;
}

/**
 * Runs the command once to its end, in the first lane, and notes its moments; then once for each of them that differs from
 * the one before it, in a process of its own that is killed there. Returns the moments that were tried. Fails with the first
 * check that fails, naming the moment.
 */
export async function killAtEveryMoment<Lane>(crash: CrashTest<Lane>): Promise<Moment[]> {
  const [first] = crash.lanes;
  if (first === undefined) throw new Error("a crash test needs a lane");
  const all = await recordMoments(crash, first);
  await crash.recorded?.(first);
  await crash.recover?.(first);
  const tried = distinct(all, all.filter(crash.only ?? (() => true)));
  // Dealt out beforehand, so that the same kills follow each other every time.
  const work = async (lane: Lane, offset: number): Promise<void> => {
    for (let at = offset; at < tried.length; at += crash.lanes.length) {
      const moment = tried[at] ?? "";
      try {
        await killAt(crash, lane, moment);
        await crash.inspect(lane, moment, all);
        await crash.recover?.(lane);
      } catch (error) {
        throw new Error(`killed ${moment}: ${messageOf(error)}`, { cause: error });
      }
    }
  };
  const ends = await Promise.allSettled(crash.lanes.map(work));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return tried;
}

/**
 * Just before an operation is just after the one before it, where that has ended: nothing happens between them that a kill
 * could interrupt, and one of the two is enough.
 */
function distinct(all: readonly Moment[], chosen: readonly Moment[]): Moment[] {
  const places = new Map(all.map((moment, place) => [moment, place]));
  const among = new Set(chosen);
  return chosen.filter((moment) => {
    const previous = all[(places.get(moment) ?? 0) - 1] ?? "";
    return moment.startsWith("after ") || !previous.startsWith("after ") || !among.has(previous);
  });
}

async function recordMoments<Lane>(crash: CrashTest<Lane>, lane: Lane): Promise<Moment[]> {
  const run = await runMoment(crash, lane, undefined);
  if (run.code !== 0) throw new Error(`the clean run ended with ${run.code ?? run.signal}: ${run.stderr}`);
  return JSON.parse(run.stdout) as Moment[];
}

async function killAt<Lane>(crash: CrashTest<Lane>, lane: Lane, moment: Moment): Promise<void> {
  const run = await runMoment(crash, lane, moment);
  if (run.signal === "SIGKILL") return;
  throw new Error(`the moment never came; the run ended with ${run.code ?? run.signal}: ${run.stderr}`);
}

interface Run {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function runMoment<Lane>(crash: CrashTest<Lane>, lane: Lane, killAt: Moment | undefined): Promise<Run> {
  const step: Step = {
    args: crash.args(lane),
    landmarks: crash.landmarks ?? [],
    timeStandsStill: crash.timeStandsStill ?? true,
    ...(killAt === undefined ? {} : { killAt }),
  };
  return await runStep(step, crash);
}

/** Runs one command line in a process of its own, which may be killed on the way. */
export async function runStep(
  step: Step,
  { env, cwd }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string },
): Promise<Run> {
  const child = spawn(process.execPath, [builtProgram("run-step"), JSON.stringify(step)], {
    env: cliEnvironment(env),
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise<Pick<Run, "code" | "signal">>((resolve, reject) => {
    child.once("error", reject);
    // `exit`, not `close`: tools that outlive the killed process keep its pipes open.
    const isKilled = step.killAt !== undefined || step.killAtNew !== undefined;
    child.once(isKilled ? "exit" : "close", (code, signal) => resolve({ code, signal }));
  });
  const [end, stdout, stderr] = await Promise.all([closed, text(child.stdout), text(child.stderr)]);
  return { ...end, stdout, stderr };
}
