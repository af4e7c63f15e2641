import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What `pg_dump` says of a database, in a form that two restored ones can be compared by. */
export interface DumpText {
  /** Everything but rows, a line each: definitions, sequences, large objects. */
  readonly definitions: readonly string[];
  /** By COPY statement: the rows, sorted. Rows loaded through a root count for it, whatever partition they are in. */
  readonly rows: Readonly<Record<string, readonly string[]>>;
}

/** Dumps a whole database, or chosen schemas, and takes the text apart. */
export async function dumpText(url: string, args: readonly string[] = []): Promise<DumpText> {
  // Latin 1 keeps every byte, whatever it means.
  const { stdout } = await run("pg_dump", [...args, "--dbname", url], {
    maxBuffer: 512 * 1024 * 1024,
    encoding: "latin1",
  });
  const definitions: string[] = [];
  const rows: Record<string, string[]> = {};
  let table: string[] | undefined;
  for (const line of stdout.split("\n")) {
    if (table !== undefined) {
      if (line === "\\.") table = undefined;
      else table.push(line);
    } else if (line.startsWith("COPY ") && line.endsWith(" FROM stdin;")) {
      table = rows[line] ??= [];
    } else if (!/^\\(un)?restrict /.test(line) && !isAboutRows(line)) {
      definitions.push(line);
    }
  }
  return {
    definitions,
    rows: Object.fromEntries(Object.entries(rows).map(([statement, lines]) => [statement, lines.toSorted()])),
  };
}

/** Which partitions have rows of their own depends on where the rows went. */
function isAboutRows(line: string): boolean {
  return (
    line === "" || line === "--" || line.startsWith("-- Data for Name: ") || line.startsWith("-- load via")
  );
}
