import type { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { quoteIdentifier, quoteName } from "../../postgres/quoting.ts";
import { textDecoder } from "../archive/encoding.ts";
import type { Omissions } from "../archive/leave-out.ts";
import { type Place, SqlScanner, type Token } from "../archive/scan-sql.ts";
import { assignmentIn } from "../archive/statement.ts";
import { listContents, type TocEntry } from "../archive/table-of-contents.ts";

/** An entry of the schema archive with the SQL that restores it. */
export interface ScriptEntry extends TocEntry {
  /** Assignments in force where it stands: `SET default_tablespace = ''`. */
  readonly settings: readonly string[];
  readonly statements: readonly string[];
  /** The table, materialized view or foreign table that it creates; null for any other kind of entry. */
  readonly creates: RelationName | null;
  readonly foreignKey: ForeignKey | null;
}

export interface RelationName {
  readonly schema: string;
  readonly name: string;
}

/** What a foreign key's entry says of it; names are quoted. */
export interface ForeignKey {
  readonly name: string;
  readonly table: string;
  readonly references: string;
}

/** All definitions of a snapshot as SQL, taken apart. */
export interface LoadScript {
  /** What each session has to set before it runs any of them. */
  readonly preamble: readonly string[];
  /** In the order in which `pg_restore` restores them. */
  readonly entries: readonly ScriptEntry[];
}

/**
 * Takes the text that `pg_restore` makes of a schema archive apart, so that its pieces can be run on several connections
 * and at several times. The text itself is not changed, only what the role may not do is left out. `pg_restore --verbose`
 * says in a comment before each entry which one it is; line breaks in names are spaces there, so no name can imitate one,
 * and what stands inside of a function's body or a string the scanner does not take for a comment.
 */
export async function readScript(
  runtime: Runtime,
  { client, path, omissions }: { client: PostgresClient; path: string; omissions: Omissions },
  signal: AbortSignal,
): Promise<LoadScript> {
  const contents = await listContents(runtime, { client, path }, signal);
  const text = await runTool(
    runtime,
    {
      program: clientProgram(client, "pg_restore"),
      args: ["--verbose", "--file=-", path],
      env: runtime.env,
      output: readAll,
      onLine: (line) => line.startsWith("pg_restore: "),
    },
    signal,
  );
  const reader = new ScriptReader(text, new Map(contents.map((entry) => [entry.id, entry])), omissions);
  return reader.read();
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const MARKER = /^ TOC entry (\d+) \(class \d+ OID \d+\)$/;
const END_MARKER = "PostgreSQL database dump complete";
const READ = new Set(["alter", "comment", "create", "set"]);
// They hold for all that follows, and are written only where they change.
const STANDING = new Set(["default_tablespace", "default_table_access_method"]);
// Our sessions have them as they need them. Those of a newer pg_restore may be unknown to the server.
const OURS = /^client_encoding$|_timeout$/;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class ScriptReader {
  readonly #text: Buffer;
  readonly #contents: ReadonlyMap<number, TocEntry>;
  readonly #omissions: Omissions;
  readonly #preamble: string[] = [];
  readonly #entries: ScriptEntry[] = [];
  readonly #standing = new Map<string, string>();
  readonly #scanner: SqlScanner;
  #decode: (bytes: Buffer) => string = strictUtf8;
  /** Of names, which may be cut within a character. */
  #decodeToken = textDecoder("UTF8");
  #current: (Mutable<ScriptEntry> & { statements: string[] }) | undefined;
  #complete = false;

  constructor(text: Buffer, contents: ReadonlyMap<number, TocEntry>, omissions: Omissions) {
    this.#text = text;
    this.#contents = contents;
    this.#omissions = omissions;
    this.#scanner = new SqlScanner({
      wants: (word) => READ.has(word),
      statement: (word, tokens, place) => {
        this.#statement(word, tokens, place);
        return false;
      },
      comment: (line) => this.#comment(line),
      metaCommand: (command) => {
        // How a text for psql forbids it all but SQL; nothing but SQL is taken from it here.
        if (/^(un)?restrict /.test(command)) return;
        throw new AppError("not_an_archive", `read the definitions: a command to psql: \\${command}`);
      },
    });
  }

  read(): LoadScript {
    this.#scanner.consume(this.#text, 0, 0);
    this.#scanner.end();
    if (!this.#complete || !this.#scanner.idle) {
      throw new AppError("backup_damaged", "read the definitions: their end is missing");
    }
    return { preamble: this.#preamble, entries: this.#entries };
  }

  #comment(line: string): void {
    if (line.trim() === END_MARKER) this.#complete = true;
    const id = MARKER.exec(line)?.[1];
    if (id === undefined) return;
    const entry = this.#contents.get(Number(id));
    if (entry === undefined)
      throw new AppError("unexpected", `read the definitions: entry ${id} is not listed`);
    this.#current = {
      ...entry,
      settings: [...this.#standing.values()],
      statements: [],
      creates: null,
      foreignKey: null,
    };
    this.#entries.push(this.#current);
  }

  #statement(firstWord: string, raw: readonly Token[], place: Place): void {
    this.#complete = false;
    const tokens = raw.map(({ kind, value }) => ({
      kind,
      value: this.#decodeToken(Buffer.from(value, "latin1")),
    }));
    if (firstWord === "set" && this.#setting(tokens, place)) return;
    const entry = this.#current;
    if (entry === undefined) {
      this.#preamble.push(this.#sql(place));
      return;
    }
    if (this.#omissions.leavesOut({ firstWord, place, tokens: () => tokens })) return;
    entry.statements.push(this.#sql(place));
    entry.creates ??= createdRelation(tokens);
    entry.foreignKey ??= foreignKeyIn(tokens);
  }

  /** True for an assignment that is no part of an entry. */
  #setting(tokens: readonly Token[], place: Place): boolean {
    const assignment = assignmentIn(tokens);
    if (assignment === undefined) return false;
    const { name, value } = assignment;
    if (name === "client_encoding") {
      this.#decode = decoderFor(value);
      this.#decodeToken = textDecoder(value);
    }
    if (name === "standard_conforming_strings") this.#scanner.standardStrings = value !== "off";
    if (STANDING.has(name)) {
      const left = this.#omissions.leavesOut({ firstWord: "set", place, tokens: () => tokens });
      this.#standing.set(name, left ? `SET ${name} = ''` : this.#sql(place));
    }
    return STANDING.has(name) || OURS.test(name);
  }

  #sql({ start, end }: Place): string {
    const bytes = this.#text.subarray(start, end);
    try {
      return this.#decode(bytes);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      // A database in SQL_ASCII may hold any bytes, which our connection, in UTF-8, can only carry as digits.
      return `do $$ begin execute pg_catalog.convert_from(pg_catalog.decode('${bytes.toString("hex")}', 'hex'), 'SQL_ASCII'); end $$`;
    }
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function strictUtf8(bytes: Buffer): string {
  return UTF8.decode(bytes);
}

function decoderFor(encoding: string): (bytes: Buffer) => string {
  return /^(utf-?8|sql_ascii)$/i.test(encoding) ? strictUtf8 : textDecoder(encoding);
}

function wordAt(tokens: readonly Token[], at: number, ...words: readonly string[]): boolean {
  const token = tokens[at];
  return token?.kind === "word" && words.includes(token.value);
}

/** `schema.name` at a place; null when something else is there. */
function nameAt(tokens: readonly Token[], at: number): RelationName | null {
  const [schema, dot, name] = tokens.slice(at, at + 3);
  if (schema === undefined || name === undefined || dot?.value !== "." || dot.kind !== "symbol") return null;
  return { schema: schema.value, name: name.value };
}

/** The name in `CREATE [UNLOGGED|FOREIGN] TABLE` or `CREATE MATERIALIZED VIEW`. */
function createdRelation(tokens: readonly Token[]): RelationName | null {
  if (!wordAt(tokens, 0, "create")) return null;
  if (wordAt(tokens, 1, "materialized")) return nameAt(tokens, 3);
  const at = wordAt(tokens, 1, "unlogged", "foreign") ? 2 : 1;
  return wordAt(tokens, at, "table") ? nameAt(tokens, at + 1) : null;
}

/** `ALTER TABLE [ONLY] s.t ADD CONSTRAINT c FOREIGN KEY (…) REFERENCES s.r(…)`. */
function foreignKeyIn(tokens: readonly Token[]): ForeignKey | null {
  if (!wordAt(tokens, 0, "alter") || !wordAt(tokens, 1, "table")) return null;
  const at = wordAt(tokens, 2, "only") ? 3 : 2;
  if (!wordAt(tokens, at + 3, "add") || !wordAt(tokens, at + 4, "constraint")) return null;
  if (!wordAt(tokens, at + 6, "foreign")) return null;
  const to = tokens.findIndex((_, place) => place > at + 6 && wordAt(tokens, place, "references"));
  const [name, table, references] = [tokens[at + 5], nameAt(tokens, at), nameAt(tokens, to + 1)];
  if (name === undefined || table === null || to === -1 || references === null) return null;
  return {
    name: quoteIdentifier(name.value),
    table: quoteName(table.schema, table.name),
    references: quoteName(references.schema, references.name),
  };
}
