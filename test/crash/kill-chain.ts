import { expect } from "vitest";
import type { Moment } from "./moments.ts";
import { runStep } from "./harness.ts";

/** A command that goes on where a killed call of it was. */
export interface KillChain {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Which moments to die at, by their names as `observingSteps` makes them. */
  readonly chosen: RegExp;
}

/** More than any plan has; a chain that long goes round in circles. */
const MOST_RUNS = 300;

/**
 * Runs the command in a process of its own again and again. Each is killed just before the first operation at which none before it
 * was, which is just after the operation before that, and the next goes on in what it left. Returns the moments of the kills, in
 * order, when a run has come to its end.
 */
export async function killChain(chain: KillChain): Promise<Moment[]> {
  const tried: Moment[] = [];
  while (tried.length < MOST_RUNS) {
    const run = await runStep(
      {
        args: chain.args,
        landmarks: [],
        timeStandsStill: false,
        killAtNew: { tried, chosen: chain.chosen.source },
      },
      chain,
    );
    if (run.signal !== "SIGKILL") {
      expect(run.code, `after ${tried.length} kills, the last ${tried.at(-1)}: ${run.stderr}`).toBe(0);
      return tried;
    }
    tried.push(run.stdout);
  }
  throw new Error(`killed ${MOST_RUNS} times, it has not come to an end: ${tried.slice(-3).join("; ")}`);
}
