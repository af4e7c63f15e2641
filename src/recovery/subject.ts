import type { Assertion } from "../config/assertions.ts";
import type { Rebuild } from "../config/rebuild.ts";
import type { Place } from "../operations/places.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import type { Scope } from "../repository/scope.ts";

/** A database to bring back, and all that its recovery needs to know of it. */
export interface Subject {
  /** The name in the strategy and in the repository. */
  readonly database: string;
  /** Where its backups are. */
  readonly places: readonly Place[];
  /** What a backup must have to stand for all of it; undefined where nobody says. */
  readonly schemas: Scope | undefined;
  readonly timeZone: string;
  readonly keepReplacedMs: number;
  readonly lockTimeoutMs: number;
  /** Connections that load a snapshot. */
  readonly jobs: number;
  /** Undefined where it cannot be made without a backup. */
  readonly rebuild: Rebuild | undefined;
  /** What must be true of a restored copy before anything works on it. */
  readonly assertions: readonly Assertion[];
  /** Whether the user wants to go on although some of that is not true. */
  readonly despiteAssertions: boolean;
}

/** What works on the databases, as far as a recovery has to do with it. */
export interface RecoveryApplication {
  /** The file and its variable with the database's URL; null where none has to be changed. */
  readonly variable: { readonly file: string; readonly name: string } | null;
  /** How it is started anew and asked, in words; null where nothing says how. */
  readonly described: { readonly restart: string | null; readonly check: string | null };
  /** Starts it anew, so that it works on what its variables say now. */
  restart(signal: AbortSignal): Promise<void>;
  /** Throws `application_failed` unless it works on this database. */
  check(on: ConnectionSettings, signal: AbortSignal): Promise<void>;
}

/** Server and database, without a password: `data on db2:5432`. */
export function describeTarget({ database, hosts }: ConnectionSettings): string {
  return `${database} on ${hosts.map(({ host, port }) => `${host}:${port}`).join(",")}`;
}
