import { isAppError, messageOf } from "../../errors.ts";
import type { ApplicationResult, AssertionResult } from "../../repository/asserted.ts";
import type { ProofFile, ProofProblem } from "../../repository/proof-file.ts";

/** What a check has found so far. Each of its stages adds to it. */
export interface Findings {
  readonly problems: ProofProblem[];
  readonly compared: ProofFile["compared"];
  readonly notCompared: ProofFile["notCompared"];
  readonly durations: ProofFile["durations"];
  /** What a restored copy was asked, once it was. */
  readonly assertions: AssertionResult[];
  application: ApplicationResult | undefined;
  server: ProofFile["server"];
  /** False where no key that is known opens the backup: what was found wrong is, but nothing can be proven. */
  opened: boolean;
  /** False once something could not be compared that the content must be compared in to be called proven. */
  contentComplete: boolean;
}

export function noFindings(): Findings {
  return {
    problems: [],
    compared: {
      objects: 0,
      storedBytes: 0,
      tables: 0,
      rows: 0,
      bytes: 0,
      digests: 0,
      sequences: 0,
      definitions: 0,
    },
    notCompared: [],
    assertions: [],
    application: undefined,
    durations: { integrityMs: null, restoreMs: null, compareMs: null },
    server: null,
    opened: true,
    contentComplete: true,
  };
}

/** A problem of a stored object. */
export function damageOf(object: ProofProblem["object"], error: unknown): ProofProblem {
  return { object, table: null, part: null, reason: messageOf(error) };
}

/** Whether an error says that a stored object is not what it should be, and nothing about anything else. */
export function isDamage(error: unknown): boolean {
  return (
    isAppError(error, "backup_damaged") ||
    isAppError(error, "object_missing") ||
    isAppError(error, "not_an_archive") ||
    isAppError(error, "repository_version") ||
    isAppError(error, "repository_unusable")
  );
}

/** Whether a problem lies in what is stored, and not only in what came of restoring it. */
export function isStored({ object }: ProofProblem): boolean {
  switch (object) {
    case "index":
    case "tables":
    case "content":
    case "archive":
    case "part list":
    case "part":
      return true;
    case "restore":
    case "rows":
    case "sequence":
    case "definition":
    case "assertion":
    case "application":
      return false;
  }
}
