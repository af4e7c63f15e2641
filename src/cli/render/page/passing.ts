/**
 * What a page is made for. `read`: to be read, with all that is known. `act`: to find out whether what somebody types or looks up
 * by it has changed, so that it has to be written anew; what a clock moves is left out. `tell`: to tell what has changed of
 * substance; what each backup and each run moves is left out, too.
 */
export type Purpose = "read" | "act" | "tell";

/** Marks on a page what passes. */
export interface Passing {
  readonly purpose: Purpose;
  /** What time alone changes: an age, the time of writing. */
  age(words: string): string;
  /** What every backup, check or drill changes: an id, when it was, how long it took. */
  run(words: string): string;
}

const LEFT_OUT = "…";

export function passingFor(purpose: Purpose): Passing {
  return {
    purpose,
    age: (words) => (purpose === "read" ? words : LEFT_OUT),
    run: (words) => (purpose === "tell" ? LEFT_OUT : words),
  };
}
