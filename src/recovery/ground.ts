import type { ConnectionSettings } from "../postgres/connection.ts";
import type { RecoveryApplication, Subject } from "./subject.ts";

/** Where a plan is run: in production, or in a drill, which touches nothing of it. */
export interface Ground {
  readonly isDrill: boolean;
  /** The database that a backup of this one becomes: not there yet, or empty. */
  target(subject: Subject): Promise<ConnectionSettings>;
  /** The database in which something is missing: in production the live one, in a drill a copy that has lost the same. */
  live(subject: Subject): Promise<ConnectionSettings>;
  /** What works on it afterwards; null where nothing has to be done about it. */
  application(subject: Subject): RecoveryApplication | null;
}
