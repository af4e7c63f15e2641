import { SCENARIOS, type Scenario } from "../config/drills.ts";
import { AppError } from "../errors.ts";

/** What steps tell those after them; kept in the journal, so never a secret. */
export type Outputs = Readonly<Record<string, string | number>>;

/** What a person agrees to before a step, by typing a name. */
export interface Confirmation {
  /** What is about to happen, as in `replace primary`. */
  readonly what: string;
  readonly name: string;
}

/** The output that every step is told: when the recovery began, as ISO 8601. It is the same after a crash. */
export const BEGUN_AT = "begunAt";

/** Undoes a step. @returns whether nothing of it is left: what stays, and why, it has told */
type WayBack = (outputs: Outputs, signal: AbortSignal) => Promise<boolean>;

/** One step of a recovery. */
export interface Step {
  readonly id: string;
  /** What it does, for a person: `Restore the newest proven backup`. */
  readonly title: string;
  /** What it runs: a command line where there is one that does the same, else words. */
  readonly runs: string;
  /** How it is found out that it did. */
  readonly checkedBy: string;
  /** How long it may take before it counts as late, in milliseconds. */
  readonly budgetMs: number;
  /** What to do when it fails, as a sentence for a person. */
  readonly ifItFails: string;
  /** Null where nobody is asked; a function where the question names what steps before have found, or is not asked after all. */
  readonly confirm: Confirmation | ((outputs: Outputs) => Confirmation | null) | null;
  /** Changes nothing, needs no step before it, and can be done for a dry run, too. */
  readonly isLook?: true;
  /** Warns of what people had better know before anything is done; a dry run shows it with the plan. Changes nothing. */
  readonly foretell?: (signal: AbortSignal) => Promise<void>;
  /**
   * What is to be known afterwards of how it was before: written down before the step runs, each time that it does. Of what an earlier
   * call has told it is told too.
   */
  readonly prepare?: (outputs: Outputs, signal: AbortSignal) => Promise<Outputs>;
  /** Its check cannot tell whether it still holds: it is done again where a step before it was. */
  readonly isAfresh?: true;
  /**
   * Does it, and returns what later steps need. It may be called again after a crash at any moment of it, so it must look
   * for what an earlier call has done.
   */
  run(outputs: Outputs, signal: AbortSignal): Promise<Outputs>;
  /**
   * Throws unless the step did what it is for. Also called for a step that was done before a crash: where it throws then, the
   * step runs again.
   */
  check(outputs: Outputs, signal: AbortSignal): Promise<void>;
  /** Undoes it, where what was there before is still there: the way back when a later step fails. */
  readonly back?: WayBack;
  /** Whether there is anything to undo, as far as is known; left out: there is. */
  readonly isUndoable?: (outputs: Outputs) => boolean;
}

export { SCENARIOS, type Scenario };

/** How long one of the ways to have a database back would take. */
export interface Estimate {
  /** `restore data`, `rebuild data`. */
  readonly what: string;
  /** Milliseconds; null where nothing tells the rate. */
  readonly ms: number | null;
  /** What that was measured on, in words; null where it was not. */
  readonly basis: string | null;
}

/** The ordered steps out of one disaster. */
export interface Plan {
  readonly scenario: Scenario | "together";
  /** The databases that it brings back. */
  readonly databases: readonly string[];
  /** How long all of it may take, in milliseconds. */
  readonly budgetMs: number;
  /** What it recovers from and to, without secrets. A recovery that was begun goes on only where all of it is the same. */
  readonly aim: Readonly<Record<string, string>>;
  /** What production has that it writes to or stops, in words; empty for a drill. */
  readonly touches: readonly string[];
  /** From measured rates; left out where the plan has nothing to choose from. */
  readonly estimates?: readonly Estimate[];
  readonly steps: readonly Step[];
  /**
   * Removes what must not outlast the run, whatever became of it, nor the way back: it is given what the steps have told. It fails with
   * nothing.
   */
  readonly release?: (outputs: Outputs) => Promise<void>;
}

/** What an earlier step has told. */
export function output(outputs: Outputs, name: string): string {
  const value = outputs[name];
  if (value === undefined)
    throw new AppError("unexpected", `no step of the plan told ${name}`, {
      hint: "begin anew with `--restart`",
    });
  return String(value);
}
