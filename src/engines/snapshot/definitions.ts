import { collect, runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { withTemporaryFile } from "./schema.ts";

/**
 * The definitions in a schema archive: the texts that go by a name such as `INDEX public.orders_at`, sorted. Several have
 * the same name where PostgreSQL lets them.
 */
export type Definitions = ReadonlyMap<string, readonly string[]>;

export interface DefinitionDifferences {
  readonly onlyFirst: readonly string[];
  readonly onlySecond: readonly string[];
  /** In both, and not the same. */
  readonly changed: readonly string[];
}

// A text has to fit one JavaScript string; the definitions of a hundred thousand tables take a tenth of this.
const LARGEST = 500 * 1024 * 1024;

/**
 * Takes a schema archive (`pg_dump --schema-only --format custom`) apart. Two archives can be compared when programs of the
 * same version wrote them, of servers of the same version.
 * @param client reads the archive
 */
export async function readDefinitions(
  runtime: Runtime,
  client: PostgresClient,
  archive: Buffer,
  signal: AbortSignal,
): Promise<Definitions> {
  const text = await withTemporaryFile(
    runtime,
    archive,
    async (path) =>
      await runTool(
        runtime,
        {
          program: clientProgram(client, "pg_restore"),
          args: ["--file=-", path],
          env: { ...runtime.env, LC_ALL: "C", LANGUAGE: "C" },
          output: (stdout) => collect(stdout, LARGEST),
        },
        signal,
      ),
  );
  return splitDefinitions(text);
}

// What pg_restore writes above each entry (pg_backup_archiver.c, `_printTocEntry`); line breaks in names became spaces.
const HEADING = /^--\n-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*)\n--\n/m;
// Which it writes as soon as they change, above the heading of the entry that needs them, so they depend on the order. The
// tablespace is in the heading as well (behind the owner), the access method is told nowhere else.
const SWITCHES = /(?:\s*\nSET default_(?:tablespace|table_access_method) = [^\n]*;)+\s*$/;
const ACCESS_METHOD = /^SET default_table_access_method = (.*);$/gm;
const END_MARKER = "\n--\n-- PostgreSQL database dump complete\n--\n";

/**
 * Splits the text of a dump by its headings. A heading within a function's text splits that too, in every text alike, so
 * that nothing is lost or hidden by it.
 */
export function splitDefinitions(text: string): Definitions {
  const end = text.lastIndexOf(END_MARKER);
  const [preamble = "", ...pieces] = text.slice(0, end === -1 ? undefined : end).split(HEADING);
  const found = new Map<string, string[]>();
  let method = methodBelow(preamble);
  for (let at = 0; at + 4 < pieces.length; at += 5) {
    const [name = "", type = "", schema = "", owner = "", body = ""] = pieces.slice(at, at + 5);
    const key = schema === "-" ? `${type} ${name}` : `${type} ${schema}.${name}`;
    const texts = found.get(key) ?? [];
    const definition = body.replace(SWITCHES, "").trim();
    const stored = hasAccessMethod(type, definition) ? `${owner}, ${method ?? "heap"}` : owner;
    texts.push(`${stored}\n${definition}`);
    found.set(key, texts);
    method = methodBelow(body) ?? method;
  }
  for (const texts of found.values()) texts.sort();
  return found;
}

/** The access method that holds for what follows; undefined where it stays the one it was. */
function methodBelow(body: string): string | undefined {
  const [switches = ""] = SWITCHES.exec(`\n${body}`) ?? [];
  return [...switches.matchAll(ACCESS_METHOD)].at(-1)?.[1];
}

/** For what has none the switch stays as it was for another entry (pg_backup_archiver.c, `_selectTableAccessMethod`). */
function hasAccessMethod(type: string, definition: string): boolean {
  return type === "MATERIALIZED VIEW" || (type === "TABLE" && !definition.includes(")\nPARTITION BY "));
}

/** Compares definitions whatever their order, which depends on numbers that two databases do not share. */
export function compareDefinitions(first: Definitions, second: Definitions): DefinitionDifferences {
  const changed: string[] = [];
  const onlyFirst: string[] = [];
  for (const [name, texts] of first) {
    const others = second.get(name);
    if (others === undefined) onlyFirst.push(name);
    else if (JSON.stringify(texts) !== JSON.stringify(others)) changed.push(name);
  }
  const onlySecond = [...second.keys()].filter((name) => !first.has(name));
  return { onlyFirst, onlySecond, changed };
}

export function countDefinitions(definitions: Definitions): number {
  return [...definitions.values()].reduce((sum, texts) => sum + texts.length, 0);
}
