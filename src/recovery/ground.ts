import { AppError } from "../errors.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import type { RecoveryApplication, Subject } from "./subject.ts";

/** Where a plan is run: in production, or in a drill, which touches nothing of it. */
export interface Ground {
  readonly isDrill: boolean;
  /** The database that a backup of this one becomes: not there yet, or empty. */
  target(subject: Subject): Promise<ConnectionSettings>;
  /** The database in which something is missing: in production the live one, in a drill a copy that has lost the same. */
  live(subject: Subject): Promise<ConnectionSettings>;
  /**
   * What works on it afterwards; null where nothing has to be done about it.
   * @param moves whether the database has another address then; default: whether the target was named
   */
  application(subject: Subject, moves?: boolean): RecoveryApplication | null;
}

/** For a plan of several databases: each has its own. */
export function groundOfEach(grounds: ReadonlyMap<string, Ground>): Ground {
  const of = ({ database }: Subject): Ground => {
    const found = grounds.get(database);
    if (found === undefined) throw new AppError("unexpected", `recover ${database}: it is nowhere to go`);
    return found;
  };
  return {
    isDrill: [...grounds.values()].every(({ isDrill }) => isDrill),
    target: async (subject) => await of(subject).target(subject),
    live: async (subject) => await of(subject).live(subject),
    application: (subject, moves) => of(subject).application(subject, moves),
  };
}
