import { AppError } from "../errors.ts";
import { counted } from "../lib/text.ts";

export type Path = readonly PropertyKey[];

/** Something wrong with a strategy. */
export interface Problem {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** `databases.data.backups[0]`; empty for the file as a whole. */
  readonly path: string;
  /** Names the path too where there is one: a sentence in lower case without a full stop. */
  readonly message: string;
}

// A file that is something else entirely has thousands; nobody reads more than these. `details` has them all.
const MOST_SHOWN = 20;

/** `["databases", "my db", "backups", 0]` → `databases["my db"].backups[0]`. */
export function formatPath(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === "number") return `[${step}]`;
      const name = String(step);
      if (!/^[\p{L}\p{N}_-]+$/u.test(name)) return `[${JSON.stringify(name)}]`;
      return index === 0 ? name : `.${name}`;
    })
    .join("");
}

/** How messages call the block at a path. */
export function where(path: Path): string {
  return path.length === 0 ? "the strategy" : formatPath(path);
}

/** All problems of one strategy as one error: the first in the first line, each other one in a line of its own. */
export function strategyInvalid(file: string, problems: readonly Problem[], cause?: unknown): AppError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const [first, ...others] = sorted.map(
    ({ line, column, message }) => `${file}:${line}:${column}: ${message}`,
  );
  const count = others.length === 0 ? "" : ` (and ${counted(others.length, "more problem")})`;
  return new AppError(
    "strategy_invalid",
    [`strategy ${first}${count}`, ...others.slice(0, MOST_SHOWN)].join("\n  "),
    {
      cause,
      details: { file, problems: sorted },
    },
  );
}
