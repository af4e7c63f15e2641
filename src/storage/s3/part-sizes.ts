// Every server takes parts of 5 MiB to 5 GiB, and 10,000 of them.
const MIB = 1024 ** 2;
const SMALLEST = 8 * MIB;
const LARGEST = 5 * 1024 * MIB;
// Some room: an estimate may be short, and what comes then gets bigger parts.
const PLANNED_PARTS = 8000;
const GROW_AFTER = 1000;
const GROW_QUICKLY_AFTER = 250;

/**
 * Bytes of part `number` (from 1) of an upload. While the estimate holds all are of one size, which R2 insists on; parts
 * beyond it grow, so that the limit of 10,000 is never met.
 * @param expected bytes that will come at most, as far as anybody knows; undefined: nobody does
 */
export function uploadPartSize(number: number, expected: number | undefined): number {
  const first = evenPartSize(expected ?? 0, SMALLEST);
  const over = number - (expected === undefined ? GROW_AFTER : PLANNED_PARTS);
  // Known lengths have only a fifth of the parts left to grow in.
  const every = expected === undefined ? GROW_AFTER : GROW_QUICKLY_AFTER;
  if (over <= 0) return first;
  return Math.min(LARGEST, first * 2 ** Math.ceil(over / every));
}

/** Bytes of each part, in whole MiB, where the length is known. */
export function evenPartSize(length: number, smallest: number): number {
  return Math.max(smallest, Math.ceil(length / PLANNED_PARTS / MIB) * MIB);
}
