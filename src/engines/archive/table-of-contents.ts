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
  /** The entry's number in its archive. */
  readonly id: number;
  /** The line of `pg_restore --list`, which `--use-list` takes back. */
  readonly line: string;
  /** The catalogue the object is in, and its oid there; 0 where the entry is about another object. */
  readonly catalogOid: number;
  readonly oid: number;
  /** `TABLE`, `FK CONSTRAINT`, `ACL` … */
  readonly type: string;
  /** What comes before the rows of tables, and what after them. */
  readonly section: "pre-data" | "post-data";
  /** Numbers of the entries that it needs, as far as they are in the archive. */
  readonly needs: readonly number[];
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

/** The definitions in a custom archive on disk, in the order in which they would be restored. */
export async function listContents(
  runtime: Runtime,
  { client, path }: { client: PostgresClient; path: string },
  signal: AbortSignal,
): Promise<TocEntry[]> {
  const list = async (...args: string[]): Promise<string[]> => {
    const program = clientProgram(client, "pg_restore");
    const text = await runForText(
      runtime,
      { program, args: ["--list", ...args, path], env: runtime.env },
      signal,
    );
    return text.split("\n").filter((line) => line !== "");
  };
  const needs = readNeeds(await list("--verbose"));
  const entries: TocEntry[] = [];
  // The verbose list has every entry, those too that only `--create` restores, and says of none in which section it is.
  for (const section of ["pre-data", "post-data"] as const) {
    for (const line of await list(`--section=${section}`)) {
      if (line.startsWith(";")) continue;
      const entry = parseLine(line);
      entries.push({ ...entry, section, needs: needs.get(entry.id) ?? [] });
    }
  }
  return entries;
}

const NEEDS = ";\tdepends on:";

/** Each entry's line may be followed by `;	depends on: 12 923 12`. */
function readNeeds(lines: readonly string[]): Map<number, number[]> {
  const needs = new Map<number, number[]>();
  let id: number | undefined;
  for (const line of lines) {
    if (!line.startsWith(";")) id = Number(/^\d+/.exec(line)?.[0]);
    else if (id !== undefined && line.startsWith(NEEDS)) {
      needs.set(id, line.slice(NEEDS.length).trim().split(/\s+/).map(Number));
    }
  }
  return needs;
}

/** `215; 1259 16390 TABLE public notes postgres`; names and owner are not quoted and cannot be told apart. */
function parseLine(line: string): Pick<TocEntry, "id" | "line" | "catalogOid" | "oid" | "type"> {
  const [, id, catalogOid, oid, rest = ""] = /^(\d+); (\d+) (\d+) (.+)$/.exec(line) ?? [];
  const type = LONG_TYPES.find((long) => rest.startsWith(`${long} `)) ?? /^[A-Z]+/.exec(rest)?.[0];
  if (id === undefined || type === undefined) {
    throw new AppError("unexpected", `read an archive's contents: this line is not understood: ${line}`);
  }
  return { id: Number(id), line, catalogOid: Number(catalogOid), oid: Number(oid), type };
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
