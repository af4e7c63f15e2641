/**
 * Every way Handled can fail, in one table. The code is the identity of an error: exit status, HTTP status and
 * whether trying again may help follow from it. `docs/reference/errors.md` is generated from this table.
 */
export const ERRORS = {
  unexpected: {
    exit: 1,
    http: 500,
    retry: false,
    meaning: "a defect in Handled, or an error nobody foresaw",
  },
  usage: {
    exit: 2,
    http: 400,
    retry: false,
    meaning: "the command, its options or their combination make no sense",
  },
  strategy_invalid: {
    exit: 2,
    http: 400,
    retry: false,
    meaning: "the strategy file cannot be read or breaks its schema",
  },
  strategy_missing: {
    exit: 2,
    http: 404,
    retry: false,
    meaning: "no strategy file was found where one was needed",
  },
  not_confirmed: { exit: 2, http: 409, retry: false, meaning: "a dangerous action was not confirmed" },
  target_exists: {
    exit: 2,
    http: 409,
    retry: false,
    meaning: "the database or file to be written is there already",
  },
  schema_missing: {
    exit: 2,
    http: 404,
    retry: false,
    meaning: "a named schema or table is not in the database or backup",
  },
  page_missing: { exit: 2, http: 404, retry: false, meaning: "the HTTP API has no such address" },
  host_refused: {
    exit: 2,
    http: 403,
    retry: false,
    meaning: "the HTTP API was asked from, or under a name of, another machine",
  },
  not_signed_in: { exit: 2, http: 401, retry: false, meaning: "the HTTP API does not know who asks" },
  not_allowed: { exit: 2, http: 403, retry: false, meaning: "whoever asks the HTTP API may not do that" },
  sign_in_failed: {
    exit: 2,
    http: 502,
    retry: true,
    meaning: "the other service that people sign in with did not answer, or did not say who somebody is",
  },
  too_many_tries: {
    exit: 2,
    http: 429,
    retry: true,
    meaning:
      "somebody tried to sign in too often with what was wrong, or to do something more often than it may be done",
  },
  user_missing: { exit: 2, http: 404, retry: false, meaning: "there is no user of that name" },
  user_exists: { exit: 2, http: 409, retry: false, meaning: "there is a user of that name already" },
  last_admin: {
    exit: 2,
    http: 409,
    retry: false,
    meaning: "nobody would be left who may change who may do what",
  },
  token_missing: { exit: 2, http: 404, retry: false, meaning: "there is no such token" },
  audit_broken: {
    exit: 4,
    http: 409,
    retry: false,
    meaning: "the audit log was changed, or entries of it are gone",
  },
  audit_unwritable: {
    exit: 1,
    http: 503,
    retry: true,
    meaning:
      "the audit log, or who may sign in, cannot be written; nothing is done that it does not take down",
  },
  request_too_large: {
    exit: 2,
    http: 413,
    retry: false,
    meaning: "what was sent to the HTTP API is larger than anything it takes",
  },
  job_missing: { exit: 2, http: 404, retry: false, meaning: "the daemon knows no such job" },
  job_running: {
    exit: 11,
    http: 409,
    retry: true,
    meaning: "the daemon is at something else with this database, or at as much as it does at once",
  },
  unhealthy: { exit: 4, http: 200, retry: false, meaning: "an objective is not met" },
  rows_differ: { exit: 4, http: 409, retry: false, meaning: "what was restored is not what was backed up" },
  assertion_failed: {
    exit: 4,
    http: 409,
    retry: false,
    meaning: "something that the strategy asserts is not true of what was restored",
  },
  backup_missing: { exit: 1, http: 404, retry: false, meaning: "no such backup in the repository" },
  object_missing: {
    exit: 13,
    http: 404,
    retry: false,
    meaning: "an object that the repository should hold is not there",
  },
  object_exists: {
    exit: 1,
    http: 409,
    retry: false,
    meaning: "an object is there already and is never overwritten",
  },
  repository_missing: { exit: 10, http: 404, retry: false, meaning: "there is no repository at this place" },
  bucket_missing: {
    exit: 10,
    http: 404,
    retry: false,
    meaning: "the bucket that should hold the repository does not exist",
  },
  repository_unreachable: {
    exit: 1,
    http: 502,
    retry: true,
    meaning: "the object store that holds the repository does not answer, or is overloaded",
  },
  repository_unusable: {
    exit: 1,
    http: 500,
    retry: false,
    meaning: "the repository cannot be read or written",
  },
  repository_version: {
    exit: 1,
    http: 500,
    retry: false,
    meaning: "the repository was written by a newer Handled",
  },
  lease_held: {
    exit: 11,
    http: 409,
    retry: true,
    meaning: "somebody else is writing to this database's backups",
  },
  lease_lost: {
    exit: 11,
    http: 409,
    retry: true,
    meaning: "another writer took over while this one was silent",
  },
  wrong_key: { exit: 12, http: 403, retry: false, meaning: "the key does not open the repository" },
  backup_damaged: {
    exit: 13,
    http: 500,
    retry: false,
    meaning: "stored bytes are missing, cut short or changed",
  },
  not_an_archive: {
    exit: 13,
    http: 400,
    retry: false,
    meaning: "the file is not a dump that Handled can restore",
  },
  database_unreachable: {
    exit: 20,
    http: 502,
    retry: true,
    meaning: "no connection to the PostgreSQL server",
  },
  login_refused: {
    exit: 20,
    http: 502,
    retry: false,
    meaning: "the server refused user, password or database",
  },
  client_missing: {
    exit: 21,
    http: 500,
    retry: false,
    meaning: "no suitable PostgreSQL client program is installed",
  },
  privilege_missing: { exit: 22, http: 403, retry: false, meaning: "the role may not do what is needed" },
  space_missing: { exit: 23, http: 507, retry: false, meaning: "not enough free disk space" },
  lock_timeout: { exit: 1, http: 409, retry: true, meaning: "another session holds a lock for too long" },
  source_changed: {
    exit: 1,
    http: 409,
    retry: true,
    meaning: "definitions in the database changed while it was backed up",
  },
  source_missing: {
    exit: 1,
    http: 409,
    retry: false,
    meaning: "what a database is rebuilt from is missing or cannot be read",
  },
  query_failed: { exit: 1, http: 502, retry: false, meaning: "the server rejected an SQL statement" },
  tool_failed: { exit: 1, http: 502, retry: true, meaning: "an external program failed" },
  swap_refused: {
    exit: 1,
    http: 409,
    retry: false,
    meaning: "putting the restored database in place is not safe",
  },
  application_failed: {
    exit: 1,
    http: 502,
    retry: true,
    meaning: "the application did not stop, start or become healthy",
  },
  channel_unreachable: {
    exit: 1,
    http: 502,
    retry: true,
    meaning: "a channel for messages does not answer, or is overloaded",
  },
  channel_refused: {
    exit: 1,
    http: 502,
    retry: false,
    meaning: "a channel for messages does not take them: login, certificate, address or content",
  },
  provider_unreachable: {
    exit: 1,
    http: 502,
    retry: true,
    meaning: "the managed service does not answer, or is overloaded",
  },
  provider_refused: {
    exit: 1,
    http: 502,
    retry: false,
    meaning: "the managed service does not take the token or the request, or lacks what was asked for",
  },
  deadline_passed: {
    exit: 1,
    http: 504,
    retry: true,
    meaning: "it took longer than its deadline allows, and was stopped",
  },
  interrupted: { exit: 130, http: 499, retry: true, meaning: "stopped by a signal or a cancelled request" },
} as const satisfies Record<string, { exit: number; http: number; retry: boolean; meaning: string }>;

/** Exit code of what was done, but not everywhere, or not as well as it should be. */
export const DEGRADED_EXIT = 3;

export type ErrorCode = keyof typeof ERRORS;

export interface AppErrorOptions {
  /** What the user can do about it: a sentence without a full stop, commands in backticks. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * The one error class. The message says operation, object and reason in lower case without a full stop:
 * `back up data: connect to 127.0.0.1:5432: password authentication failed`.
 */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** The `code` of a Node system error (`ENOENT`, `ENOSPC` …) or of a PostgreSQL error (SQLSTATE); otherwise undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** A one-line text for any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Rethrows an error as one that also names the operation it broke; code, hint and details stay. */
export function inOperation(operation: string, error: unknown): AppError {
  if (error instanceof AppError) {
    return new AppError(error.code, `${operation}: ${error.message}`, {
      hint: error.hint,
      details: error.details,
      cause: error,
    });
  }
  return new AppError("unexpected", `${operation}: ${messageOf(error)}`, { cause: error });
}
