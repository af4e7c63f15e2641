import type { JobRequest } from "../api/contract/jobs.ts";

/** An option and its value; one that is undefined or false is left out, `true` has no value. */
type Option = readonly [name: `--${string}`, value: string | boolean | undefined];

/**
 * The command that does what is asked for, without the program: a table, for the same things are to happen as at a terminal. A
 * value stands in the same word as its option, and what is no option behind `--`, so that nothing becomes an option by what it is called.
 */
export function jobWords(request: JobRequest): string[] {
  const { kind, database, options } = request;
  switch (kind) {
    case "backup":
      return words(
        ["backup"],
        [
          ["--backup", options.entry],
          ["--full-read", options.fullRead],
        ],
        [database],
      );
    case "verify":
      return words(
        ["verify"],
        [
          ["--level", options.level],
          ["--entry", options.entry],
        ],
        [database, options.backup],
      );
    case "prune":
      return words(["prune"], [], [database]);
  }
}

function words(
  command: readonly string[],
  options: readonly Option[],
  operands: readonly string[],
): string[] {
  const given = options.flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [name] : [`${name}=${value}`];
  });
  return [...command, ...given, "--", ...operands];
}
