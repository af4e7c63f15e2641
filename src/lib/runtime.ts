import { type Clock, systemClock } from "./clock.ts";
import { KeyRing } from "./key-ring.ts";
import { Secrets } from "./secrets.ts";

/** How far a long operation has come. Totals are estimates and may be missing. */
export interface Progress {
  /** What is going on: `dump`, `read back`, `restore` … */
  readonly phase: string;
  /** Bytes of the dump's own format (before compression). */
  readonly bytes: number;
  readonly totalBytes?: number | undefined;
  readonly tables?: number | undefined;
  readonly totalTables?: number | undefined;
  readonly indexes?: number | undefined;
  readonly totalIndexes?: number | undefined;
  /** How much of all the work is done, 0 to 1, where bytes do not tell it. */
  readonly share?: number | undefined;
  /** The table being worked on. */
  readonly table?: string | undefined;
}

/** Where an operation tells what it does. Words only: results are return values. */
export interface Reporter {
  /** A finished step, in the past tense or as a fact. */
  note(text: string): void;
  /** Something the user should look at, though the operation goes on. */
  warn(text: string): void;
  progress(progress: Progress): void;
  /** A step of a plan has begun, or ended. */
  step(step: ReportedStep): void;
}

/** A step of a plan, and what becomes of it. */
export interface ReportedStep {
  readonly id: string;
  readonly title: string;
  /** Which of the plan's steps it is, from 1. */
  readonly place: number;
  readonly of: number;
  /** How long it may take, in milliseconds. */
  readonly budgetMs: number;
  /** `done before`: by an earlier call, and it still holds. */
  readonly outcome: "begun" | "done" | "done before" | "failed";
  /** How long it took, in milliseconds; null while it runs. */
  readonly ms: number | null;
}

/**
 * Called before and after every operation on storage, SQL server or child process, with its name. Normal programs
 * pass one that does nothing; crash tests count the calls of a clean run and then kill the process at each of them.
 */
export type Observer = (phase: "before" | "after", operation: string) => void;

/** What the outside world is to an operation. Built by `cli/main.ts`; tests build their own. */
export interface Runtime {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly reporter: Reporter;
  readonly observer: Observer;
  readonly secrets: Secrets;
  /** Which keys there are, and which are wanted. */
  readonly keys: KeyRing;
}

/** The observer of normal programs. */
export const silentObserver: Observer = () => {};

export const silentReporter: Reporter = {
  note: () => {},
  warn: () => {},
  progress: () => {},
  step: () => {},
};

/** A runtime with the system's clock, an empty environment and nobody listening; each field can be replaced. */
export function makeRuntime(parts: Partial<Runtime> = {}): Runtime {
  return {
    clock: systemClock,
    env: {},
    reporter: silentReporter,
    observer: silentObserver,
    secrets: new Secrets(),
    keys: new KeyRing(),
    ...parts,
  };
}
