import { availableParallelism } from "node:os";

// Each is a connection, of which PostgreSQL allows 100 unless it is told otherwise, and a thread with its own memory.
export const MOST_JOBS = 64;

/** How many connections work at the same time where nobody says: one a core. */
export function defaultJobs(): number {
  return Math.min(availableParallelism(), MOST_JOBS);
}
