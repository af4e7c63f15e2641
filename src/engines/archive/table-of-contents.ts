import { rm, writeFile } from "node:fs/promises";
import { AppError } from "../../errors.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { loadText } from "./load.ts";
import { runBetween } from "./pipe.ts";

/** One entry of a custom archive's table of contents. */
export interface TocEntry {
  /** The line of `pg_restore --list`, which `--use-list` takes back. */
  readonly line: string;
  /** The catalogue the object is in, and its oid there; 0 where the entry is about another object. */
  readonly catalogOid: number;
  readonly oid: number;
  /** `TABLE`, `FK CONSTRAINT`, `ACL` … */
  readonly type: string;
  /** Schema, name and owner as one text: `pg_restore` does not quote them. */
  readonly label: string;
}

// Types of several words (pg_dump.c, the `desc` of its entries). Any other type is the one word in capitals.
const LONG_TYPES = [
  "ACCESS METHOD",
  "BLOB COMMENTS",
  "BLOB METADATA",
  "CHECK CONSTRAINT",
  "DATABASE PROPERTIES",
  "DEFAULT ACL",
  "EVENT TRIGGER",
  "FK CONSTRAINT",
  "FOREIGN DATA WRAPPER",
  "FOREIGN SERVER",
  "FOREIGN TABLE",
  "INDEX ATTACH",
  "MATERIALIZED VIEW DATA",
  "MATERIALIZED VIEW",
  "OPERATOR CLASS",
  "OPERATOR FAMILY",
  "PROCEDURAL LANGUAGE",
  "PUBLICATION TABLES IN SCHEMA",
  "PUBLICATION TABLE",
  "ROW SECURITY",
  "SECURITY LABEL",
  "SEQUENCE OWNED BY",
  "SEQUENCE SET",
  "SHELL TYPE",
  "STATISTICS DATA",
  "SUBSCRIPTION TABLE",
  "TABLE ATTACH",
  "TABLE DATA",
  "TEXT SEARCH CONFIGURATION",
  "TEXT SEARCH DICTIONARY",
  "TEXT SEARCH PARSER",
  "TEXT SEARCH TEMPLATE",
  "USER MAPPING",
];

/** The table of contents of a custom archive on disk, in the order in which it would be restored. */
export async function listContents(
  runtime: Runtime,
  { client, path }: { client: PostgresClient; path: string },
  signal: AbortSignal,
): Promise<TocEntry[]> {
  const list = await runForText(
    runtime,
    { program: clientProgram(client, "pg_restore"), args: ["--list", path], env: runtime.env },
    signal,
  );
  return list
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(";"))
    .map(parseLine);
}

/** `215; 1259 16390 TABLE public notes postgres`. A name with a line break goes on in the next line and is refused. */
function parseLine(line: string): TocEntry {
  const match = /^\d+; (\d+) (\d+) (.+)$/.exec(line);
  const rest = match?.[3] ?? "";
  const type = LONG_TYPES.find((long) => rest.startsWith(`${long} `)) ?? /^[A-Z]+/.exec(rest)?.[0];
  if (match === null || type === undefined) {
    throw new AppError("swap_refused", `read an archive's contents: this line is not understood: ${line}`, {
      hint: "a name with a line break in it is not supported here",
    });
  }
  return {
    line,
    catalogOid: Number(match[1]),
    oid: Number(match[2]),
    type,
    label: rest.slice(type.length + 1),
  };
}

/** Restores the chosen entries of a custom archive on disk, in the archive's order. */
export async function loadEntries(
  runtime: Runtime,
  request: {
    client: PostgresClient;
    path: string;
    entries: readonly TocEntry[];
    settings: ConnectionSettings;
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { client, path, entries, settings } = request;
  if (entries.length === 0) return [];
  const listPath = `${path}.list`;
  await writeFile(listPath, `${entries.map((entry) => entry.line).join("\n")}\n`, { mode: 0o600 });
  try {
    const { leftOut } = await loadText(
      runtime,
      { client, settings, singleTransaction: false },
      (output) =>
        runBetween(
          runtime,
          {
            program: clientProgram(client, "pg_restore"),
            args: [`--use-list=${listPath}`, "--file=-", path],
            env: runtime.env,
            output,
          },
          signal,
        ),
      signal,
    );
    return leftOut;
  } finally {
    await rm(listPath, { force: true });
  }
}
