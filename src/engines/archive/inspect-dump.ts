import { CopyCounter } from "./copy-data.ts";
import { textDecoder } from "./encoding.ts";
import { type Place, type SqlListener, SqlScanner, type Token } from "./scan-sql.ts";
import {
  assignmentIn,
  copyTarget,
  createdName,
  createdRelation,
  type QualifiedName,
  READ_STATEMENTS,
  rolesIn,
} from "./statement.ts";

interface DumpedTable {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /** Bytes of the rows in COPY's text format, line ends included. */
  readonly bytes: number;
}

/** What the text of a dump says about itself. */
export interface DumpFacts {
  /** Bytes of the whole text. */
  readonly bytes: number;
  /** True when pg_dump's end marker is the last thing in it: nothing was cut off. */
  readonly complete: boolean;
  /** Tables whose rows it carries, in its order. A partition loaded through its root goes by its own name. */
  readonly tables: readonly DumpedTable[];
  /** Roles that own something or are granted something, sorted: without them a restore fails. */
  readonly roles: readonly string[];
  /** Extensions and schemas that it creates, in its order. */
  readonly extensions: readonly string[];
  readonly schemas: readonly string[];
  /** Tables, foreign tables and materialized views that it creates, in its order. */
  readonly relations: readonly { readonly schema: string; readonly name: string }[];
  /** `INSERT` statements, which a dump made with `--inserts` has instead of counted rows. */
  readonly inserts: number;
  /** True when it forbids psql any command but SQL by itself (`\restrict`, since August 2025). */
  readonly restricted: boolean;
  /** Commands to psql that have no place in a dump of one database: `\connect other`. At most ten. */
  readonly refusals: readonly string[];
}

const END_MARKER = "PostgreSQL database dump complete";
const REFUSALS_KEPT = 10;
// `-- Data for Name: orders_2024; Type: TABLE DATA; Schema: public; Owner: app`, with line breaks in names made spaces.
const ANNOUNCED = /^ Data for Name: (.+); Type: TABLE DATA; Schema: (.+); Owner: /s;
const VIA_ROOT = " load via partition root ";

/** A statement of the dump. */
export interface Statement {
  readonly firstWord: string;
  readonly place: Place;
  /** Its pieces, as text; empty for kinds of statements that nobody reads. */
  readonly tokens: () => readonly Token[];
}

interface Block {
  readonly schema: string;
  readonly name: string;
  readonly counter: CopyCounter;
}

/**
 * Reads the text of a dump, chunk by chunk, and finds out what is in it without holding any of it. It follows psql's
 * own rules for quotes and statements, so no text inside a function, a comment or a row is mistaken for a command.
 */
export class DumpInspector {
  readonly #scanner: SqlScanner;
  readonly #blocks = new Map<string, Block>();
  readonly #roles = new Set<string>();
  readonly #extensions = new Set<string>();
  readonly #schemas = new Set<string>();
  readonly #relations: { readonly schema: string; readonly name: string }[] = [];
  readonly #refusals: string[] = [];
  #decode = textDecoder("UTF8");
  #bytes = 0;
  #inserts = 0;
  #marked = false;
  #restricted = false;
  /** The key of a `\restrict` that has not been lifted. */
  #restrictKey: string | undefined;
  /** Where tables without a schema go; pg_dump before 10.3 set it instead of qualifying names. */
  #searchPath = "public";
  #announced: { readonly schema: string; readonly name: string } | undefined;
  #viaRoot = false;
  #block: Block | undefined;
  /** A COPY statement has been read, its line not to the end: rows begin on the next. */
  #atCopyLine = false;

  readonly #onStatement: ((statement: Statement) => void) | undefined;

  /** @param onStatement told of every statement when it has been read to its end */
  constructor(onStatement?: (statement: Statement) => void) {
    this.#onStatement = onStatement;
    const listener: SqlListener = {
      wants: (word) => READ_STATEMENTS.has(word),
      statement: (word, tokens, place) => this.#statement(word, tokens, place),
      comment: (text) => this.#comment(text),
      metaCommand: (text) => this.#metaCommand(text),
    };
    this.#scanner = new SqlScanner(listener);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Tables begun so far, and the one being read. */
  get tables(): number {
    return this.#blocks.size;
  }

  get table(): string | undefined {
    return this.#block === undefined ? undefined : `${this.#block.schema}.${this.#block.name}`;
  }

  /** The statement that has begun and not ended: its position in the text, and its first word once that is known. */
  get unfinished(): { readonly start: number; readonly firstWord: string | undefined } | undefined {
    return this.#scanner.unfinished;
  }

  get restricted(): boolean {
    return this.#restricted;
  }

  get refusals(): readonly string[] {
    return this.#refusals;
  }

  write(chunk: Buffer): void {
    const base = this.#bytes;
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      if (this.#atCopyLine) at = this.#copyLine(chunk, at);
      else if (this.#block === undefined) at = this.#scanner.consume(chunk, at, base);
      else at = this.#rows(this.#block, chunk, at);
    }
  }

  /** The text has come to its end. */
  end(): DumpFacts {
    this.#scanner.end();
    const tables = [...this.#blocks.values()].map(({ schema, name, counter }) => ({
      schema,
      name,
      rows: counter.rows,
      bytes: counter.bytes,
    }));
    return {
      bytes: this.#bytes,
      complete:
        this.#marked &&
        this.#scanner.idle &&
        this.#block === undefined &&
        !this.#atCopyLine &&
        this.#restrictKey === undefined,
      tables,
      roles: [...this.#roles].toSorted(),
      extensions: [...this.#extensions],
      schemas: [...this.#schemas],
      relations: this.#relations,
      inserts: this.#inserts,
      restricted: this.#restricted,
      refusals: this.#refusals,
    };
  }

  #rows(block: Block, chunk: Buffer, from: number): number {
    const end = block.counter.consume(chunk, from);
    if (end === -1) return chunk.length;
    this.#block = undefined;
    return end;
  }

  #copyLine(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (byte === 0x0a) {
        this.#atCopyLine = false;
        return at + 1;
      }
      // psql would run what stands here after the rows. pg_dump never writes anything.
      if (byte !== 0x20 && byte !== 0x0d) this.#refuse("text behind `COPY … FROM stdin;`");
    }
    return chunk.length;
  }

  #statement(word: string, tokens: readonly Token[], place: Place): boolean {
    this.#marked = false;
    this.#onStatement?.({ firstWord: word, place, tokens: () => this.#decoded(tokens) });
    if (word === "insert") this.#inserts += 1;
    for (const role of rolesIn(tokens)) this.#roles.add(this.#text(role));
    if (word === "create") this.#create(tokens);
    if (word === "set") this.#set(tokens);
    const begun = word === "copy" && this.#beginRows(tokens);
    this.#announced = undefined;
    this.#viaRoot = false;
    return begun;
  }

  #beginRows(tokens: readonly Token[]): boolean {
    const target = copyTarget(tokens);
    if (target === undefined) return false;
    const { schema, name } = (this.#viaRoot ? this.#announced : undefined) ?? this.#named(target);
    const key = JSON.stringify([schema, name]);
    this.#block = this.#blocks.get(key) ?? { schema, name, counter: new CopyCounter() };
    this.#blocks.set(key, this.#block);
    this.#atCopyLine = true;
    return true;
  }

  #create(tokens: readonly Token[]): void {
    const extension = createdName(tokens, "extension");
    if (extension !== undefined) this.#extensions.add(this.#text(extension));
    const schema = createdName(tokens, "schema");
    if (schema !== undefined) this.#schemas.add(this.#text(schema));
    const relation = createdRelation(tokens);
    if (relation !== undefined) this.#relations.push(this.#named(relation));
  }

  #named({ schema, name }: QualifiedName): { readonly schema: string; readonly name: string } {
    return { schema: schema === undefined ? this.#searchPath : this.#text(schema), name: this.#text(name) };
  }

  #set(tokens: readonly Token[]): void {
    const assignment = assignmentIn(tokens);
    if (assignment === undefined) return;
    const { name, value } = assignment;
    if (name === "client_encoding") this.#decode = textDecoder(value);
    if (name === "standard_conforming_strings") this.#scanner.standardStrings = value !== "off";
    if (name === "search_path") this.#searchPath = this.#text(value);
  }

  #comment(text: string): void {
    const trimmed = text.trim();
    if (trimmed === END_MARKER) this.#marked = true;
    if (text.startsWith(VIA_ROOT)) this.#viaRoot = true;
    const [, name, schema] = ANNOUNCED.exec(text) ?? [];
    if (name !== undefined && schema !== undefined) {
      this.#announced = { schema: this.#text(schema), name: this.#text(name) };
    }
  }

  #metaCommand(text: string): void {
    const [, command, key] = /^(restrict|unrestrict) +(\S+)$/.exec(text) ?? [];
    if (command === "restrict" && this.#restrictKey === undefined) {
      this.#restricted = true;
      this.#restrictKey = key;
    } else if (command === "unrestrict" && this.#restrictKey === key) {
      this.#restrictKey = undefined;
    } else {
      this.#refuse(`\\${this.#text(text)}`);
    }
  }

  #refuse(command: string): void {
    const text = command.slice(0, 80);
    if (this.#refusals.length < REFUSALS_KEPT && this.#refusals.at(-1) !== text) this.#refusals.push(text);
  }

  #decoded(tokens: readonly Token[]): readonly Token[] {
    return tokens.map(({ kind, value }) => ({ kind, value: this.#text(value) }));
  }

  #text(bytes: string): string {
    return this.#decode(Buffer.from(bytes, "latin1"));
  }
}
