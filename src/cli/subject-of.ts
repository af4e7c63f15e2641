import { defaultJobs } from "../config/jobs.ts";
import type { Subject } from "../recovery/subject.ts";
import { DEFAULT_KEEP_REPLACED_MS, DEFAULT_LOCK_TIMEOUT_MS, placesOf, type Target } from "./targets.ts";

/** A database as recoveries know it. */
export function subjectOf(
  target: Target,
  {
    jobs,
    despiteAssertions,
  }: { readonly jobs?: number | undefined; readonly despiteAssertions?: true | undefined },
): Subject {
  const { name, entry, strategy, timeZone } = target;
  return {
    database: name,
    places: placesOf(target, undefined),
    schemas: entry === null ? undefined : (entry.schemas ?? null),
    timeZone,
    keepReplacedMs: strategy?.keepReplacedMs ?? DEFAULT_KEEP_REPLACED_MS,
    lockTimeoutMs: entry?.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
    jobs: jobs ?? defaultJobs(),
    rebuild: entry?.rebuild,
    assertions: entry?.asserted.assertions ?? [],
    despiteAssertions: despiteAssertions === true,
  };
}
