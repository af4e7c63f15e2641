import { AppError, type ErrorCode, messageOf } from "../../errors.ts";

/** What is looked at, in the order of the report. The names are part of the JSON output and stay. */
export type CheckId =
  | "strategy"
  | "node"
  | "clients"
  | "strategy-file"
  | "scheduler"
  | "application"
  | "connection"
  | "encryption"
  | "direct-connection"
  | "client"
  | "zstd"
  | "clock"
  | "schemas"
  | "privileges"
  | "row-security"
  | "large-objects"
  | "dependencies"
  | "locks"
  | "restore"
  | "server-space"
  | "leftovers"
  | "repository"
  | "repository-write"
  | "repository-permissions"
  | "repository-space"
  | "repository-lock"
  | "backups"
  | "lease";

/** What a check found. A `problem` is what keeps a backup from running, or from being worth its name. */
export interface Outcome {
  readonly level: "ok" | "warning" | "problem";
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** The things it is about, where there may be many: tables, dependencies, databases. */
  readonly items: readonly string[];
  /** How a backup would fail; null for everything but problems, and for problems that have no code. */
  readonly code: ErrorCode | null;
}

export interface Finding extends Outcome {
  readonly id: CheckId;
  /** The database it is about; null for the machine. */
  readonly database: string | null;
  /** The place it is about, where its backups are kept in several. */
  readonly place?: string;
}

export function ok(message: string, items: readonly string[] = []): Outcome {
  return { level: "ok", message, hint: undefined, items, code: null };
}

export function warning(message: string, hint: string | undefined, items: readonly string[] = []): Outcome {
  return { level: "warning", message, hint, items, code: null };
}

export function problem(
  code: ErrorCode | null,
  message: string,
  hint: string | undefined,
  items: readonly string[] = [],
): Outcome {
  return { level: "problem", message, hint, items, code };
}

export function problemOf(error: AppError): Outcome {
  return problem(error.code, error.message, error.hint);
}

export interface Check {
  readonly id: CheckId;
  /** Whether a backup needs what the check itself needs: then its own failure is a problem, otherwise a warning. */
  readonly required: boolean;
  readonly run: () => Promise<Outcome | readonly Outcome[]>;
}

/** Runs every check, whatever the ones before it found. Only an abort or a defect ends the series. */
export async function runChecks(
  database: string | null,
  checks: readonly Check[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, required, run } of checks) {
    try {
      const found = await run();
      for (const outcome of isMany(found) ? found : [found]) findings.push({ id, database, ...outcome });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      const outcome = required ? problemOf(error) : warning(notCheckedText(messageOf(error)), error.hint);
      findings.push({ id, database, ...outcome });
    }
  }
  return findings;
}

/** Findings for checks that could not even begin. */
export function notChecked(database: string | null, ids: readonly CheckId[], because: string): Finding[] {
  return ids.map((id) => ({ id, database, ...warning(notCheckedText(because), undefined) }));
}

function notCheckedText(because: string): string {
  return `not checked because ${because}`;
}

function isMany(found: Outcome | readonly Outcome[]): found is readonly Outcome[] {
  return Array.isArray(found);
}

/** Runs work that later checks build on: its value, or the problem that it ran into. */
export async function attempt<T>(
  id: CheckId,
  database: string | null,
  work: () => T | Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly value: T } | { readonly failure: Finding }> {
  try {
    return { value: await work() };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    return { failure: { id, database, ...problemOf(error) } };
  }
}

const SHOWN_NAMES = 5;

/** `a, b, c and 4 more`. */
export function someOf(names: readonly string[]): string {
  const rest = names.length - SHOWN_NAMES;
  return `${names.slice(0, SHOWN_NAMES).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
