/** Object lock, as a strategy asks for it. */
export interface LockSettings {
  /** Everything that is still needed stays locked at least so long after the last run; milliseconds. */
  readonly windowMs: number;
  /** What nobody can lift before its time, or what a right of its own can. */
  readonly mode: "compliance" | "governance";
}

/** What a place that locks objects can say and do about it. Transient objects (`isTransientKey`) are never locked. */
export interface ObjectLocks extends LockSettings {
  /** The present moment by the clock of the place, as far as it is known. */
  now(signal: AbortSignal): Promise<Date>;
  /** Until when the object cannot be deleted; undefined: it can be, or is not there. */
  lockedUntil(key: string, signal: AbortSignal): Promise<Date | undefined>;
  /** Locks an object for twice the window from now on; false when there is none. */
  extend(key: string, signal: AbortSignal): Promise<boolean>;
}

/** How well a bucket keeps what is deleted or overwritten. */
export interface Protection {
  readonly versioning: boolean;
  readonly objectLock: boolean;
  /** Whether something removes versions that were replaced or deleted; undefined where we may not ask. */
  readonly expiresOldVersions: boolean | undefined;
}
