import { parseArgs } from "node:util";
import { LONG, MEASURES, type MeasureName } from "./goals.ts";

export interface Options {
  /** COPY text of all tables together, in bytes. */
  readonly size: number;
  readonly rounds: number;
  /** How many times larger the database is on which memory is measured once more. */
  readonly larger: number;
  readonly parts: number;
  readonly only: ReadonlySet<MeasureName>;
}

export const USAGE = `node bench/snapshot.ts [--size 1GB] [--rounds 3] [--larger 3] [--parts 1000000] [--only a,b]

Measures snapshots against pg_dump, psql, pg_restore and restic on a server of its own, and prints the table.

  --size    COPY text of the three tables: 50MB, 1GB (default 1GB)
  --rounds  how often each is measured, in turn with what it is compared with (default 3)
  --larger  times the size at which memory is measured once more (default 3)
  --parts   parts of the backup that memory is measured with (default 1000000)
  --only    ${[...MEASURES].join(", ")} 
            (default: all but the long ones, ${LONG.join(", ")})`;

/** Reads the command line; throws with a message for the user. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      size: { type: "string", default: "1GB" },
      rounds: { type: "string", default: "3" },
      larger: { type: "string", default: "3" },
      parts: { type: "string", default: "1000000" },
      only: { type: "string", default: MEASURES.filter((name) => !LONG.includes(name)).join(",") },
    },
  });
  const only = values.only.split(",").map((name) => {
    const found = MEASURES.find((measure) => measure === name);
    if (found === undefined) throw new Error(`--only ${name}: there are ${MEASURES.join(", ")}`);
    return found;
  });
  return {
    size: parseSize(values.size),
    rounds: parseCount("rounds", values.rounds),
    larger: parseCount("larger", values.larger),
    parts: parseCount("parts", values.parts),
    only: new Set(only),
  };
}

const UNITS: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9 };

function parseSize(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(MB|GB)$/.exec(text) ?? [];
  const factor = UNITS[unit ?? ""];
  if (digits === undefined || factor === undefined) throw new Error(`--size ${text}: write 50MB or 1GB`);
  return Number(digits) * factor;
}

function parseCount(name: string, text: string): number {
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new Error(`--${name} ${text}: a whole number from 1`);
  return Number(text);
}
