import { Nesting } from "./nesting.ts";

/**
 * A piece of a statement. `word` is an unquoted name or key word in lower case, `name` a quoted identifier, `text` a
 * string. Values are the raw bytes, one character each (latin1): only the dump itself says in what encoding it is.
 */
export interface Token {
  readonly kind: "word" | "name" | "text" | "symbol";
  readonly value: string;
}

/** Where a statement stands in the whole text, in bytes: of its first token, and behind its `;`. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** What is told of the SQL while it is read. */
export interface SqlListener {
  /** Whether the tokens of statements that begin with this word are of interest. */
  wants(firstWord: string): boolean;
  /** A statement has come to its `;`. Its tokens are empty unless wanted. Returning true stops the scan there. */
  statement(firstWord: string, tokens: readonly Token[], place: Place): boolean;
  /** A `--` comment between statements, without its dashes. */
  comment(text: string): void;
  /** A command to psql: a backslash outside of every quote, to the end of its line. */
  metaCommand(text: string): void;
}

type Mode =
  | "sql"
  | "word"
  | "number"
  | "text"
  | "text end"
  | "name"
  | "name end"
  | "dollar tag"
  | "dollar text"
  | "line comment"
  | "block comment"
  | "meta command";

const NEWLINE = 0x0a;
const DOUBLE_QUOTE = 0x22;
const DOLLAR = 0x24;
const QUOTE = 0x27;
const OPEN = 0x28;
const CLOSE = 0x29;
const STAR = 0x2a;
const DASH = 0x2d;
const SLASH = 0x2f;
const SEMICOLON = 0x3b;
const BACKSLASH = 0x5c;

// What is kept of one token, comment or command. Names have at most 63 bytes; the rest of a long text means nothing here.
const KEPT_LENGTH = 1024;
// A table has at most 1600 columns, and the longest statement we read lists them with their privileges.
const KEPT_TOKENS = 20_000;

/**
 * Finds the statements in a stream of SQL the way psql does (its `psqlscan.l`), so that what psql would execute and
 * what is only text inside a function's body or a comment are told apart for certain. Chunks may end anywhere.
 */
export class SqlScanner {
  /** Off: backslashes escape in plain strings too. */
  standardStrings = true;
  readonly #listener: SqlListener;
  #mode: Mode = "sql";
  /** The token, comment or command being read. */
  #value = "";
  /** A `-` or `/` that may begin a comment; inside a block comment `*` or `/`; 0 for none. */
  #pending = 0;
  /** In an `E''` string: the next byte is escaped. */
  #escapes = false;
  #escaped = false;
  #commentDepth = 0;
  #dollarEnd = "";
  #dollarMatched = 0;

  #tokens: Token[] = [];
  #firstWord: string | undefined;
  #keep = false;
  readonly #nesting = new Nesting();
  #stopped = false;
  /** Position in the whole text of the chunk's first byte, and of the statement's first token. */
  #base = 0;
  #start: number | undefined;

  constructor(listener: SqlListener) {
    this.#listener = listener;
  }

  /** True between statements: nothing has begun that has not ended. */
  get idle(): boolean {
    return this.#mode === "sql" && this.#pending === 0 && this.#firstWord === undefined;
  }

  /** The statement that has begun and not ended: where, and its first word once that is known. */
  get unfinished(): { readonly start: number; readonly firstWord: string | undefined } | undefined {
    return this.#start === undefined ? undefined : { start: this.#start, firstWord: this.#firstWord };
  }

  /**
   * Reads from `from` to the chunk's end, or until the listener stopped it; returns the position reached.
   * @param base position of the chunk's first byte in the whole text
   */
  consume(chunk: Buffer, from: number, base: number): number {
    let at = from;
    this.#base = base;
    this.#stopped = false;
    while (at < chunk.length && !this.#stopped) at = this.#step(chunk, at);
    return at;
  }

  /** The stream has ended: tells what a missing line end held back. */
  end(): void {
    if (this.#mode === "line comment" || this.#mode === "meta command") this.#endLine();
    if (this.#mode === "text end" || this.#mode === "name end") this.#mode = "sql";
    if (this.#mode === "word" || this.#mode === "number") this.#endWord();
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#mode) {
      case "sql":
        return this.#sql(chunk, at);
      case "word":
        return this.#word(chunk, at);
      case "number":
        return this.#number(chunk, at);
      case "text":
        return this.#escapes ? this.#escapedText(chunk, at) : this.#until(chunk, at, QUOTE, "text end");
      case "text end":
        return this.#quoteEnd(chunk, at, QUOTE, "text");
      case "name":
        return this.#until(chunk, at, DOUBLE_QUOTE, "name end");
      case "name end":
        return this.#quoteEnd(chunk, at, DOUBLE_QUOTE, "name");
      case "dollar tag":
        return this.#dollarTag(chunk, at);
      case "dollar text":
        return this.#dollarText(chunk, at);
      case "block comment":
        return this.#blockComment(chunk, at);
      case "line comment":
      case "meta command":
        return this.#line(chunk, at);
    }
  }

  #sql(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      if (this.#pending !== 0) {
        const before = this.#pending;
        this.#pending = 0;
        if (before === DASH && byte === DASH) return this.#begin("line comment", at + 1);
        if (before === SLASH && byte === STAR) {
          this.#commentDepth = 1;
          return this.#begin("block comment", at + 1);
        }
        this.#start ??= this.#base + at - 1;
        this.#symbol(before, at);
      }
      if (byte <= 0x20) continue;
      if (byte === DASH || byte === SLASH) {
        this.#pending = byte;
        continue;
      }
      if (byte === BACKSLASH) return this.#begin("meta command", at + 1);
      this.#start ??= this.#base + at;
      if (byte === QUOTE) {
        // A string that continues one on the line before has no part in its escapes: psql reads line by line.
        this.#escapes = !this.standardStrings;
        return this.#begin("text", at + 1);
      }
      if (byte === DOUBLE_QUOTE) return this.#begin("name", at + 1);
      if (byte === DOLLAR) return this.#begin("dollar tag", at + 1);
      if (isWordByte(byte)) return this.#begin(isDigit(byte) ? "number" : "word", at);
      this.#symbol(byte, at + 1);
      if (this.#stopped) return at + 1;
    }
    return chunk.length;
  }

  #begin(mode: Mode, at: number): number {
    this.#mode = mode;
    this.#value = "";
    return at;
  }

  #word(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && isWordByte(chunk[at] as number)) at += 1;
    this.#append(chunk, from, at);
    if (at === chunk.length) return at;
    // `E'…'` has escapes; `N`, `B` and `X` before a quote are no words either.
    if (chunk[at] === QUOTE && /^[enbx]$/i.test(this.#value)) {
      this.#escapes =
        this.#value.toLowerCase() === "e" || (!this.standardStrings && this.#value.toLowerCase() === "n");
      return this.#begin("text", at + 1);
    }
    this.#endWord();
    return at;
  }

  /** Unlike names, numbers and parameters hold no `$`: a quoted text may begin right behind them. */
  #number(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length && isWordByte(chunk[at] as number) && chunk[at] !== DOLLAR) at += 1;
    this.#append(chunk, from, at);
    if (at < chunk.length) this.#endWord();
    return at;
  }

  #endWord(): void {
    // Only ASCII: the other characters are bytes of some encoding.
    const word = this.#value.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
    this.#mode = "sql";
    this.#nesting.word(word);
    this.#push("word", word);
  }

  #escapedText(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      if (this.#escaped) {
        this.#escaped = false;
      } else if (chunk[at] === BACKSLASH) {
        this.#escaped = true;
      } else if (chunk[at] === QUOTE) {
        this.#append(chunk, from, at);
        this.#mode = "text end";
        return at + 1;
      }
    }
    this.#append(chunk, from, chunk.length);
    return chunk.length;
  }

  #until(chunk: Buffer, from: number, quote: number, end: Mode): number {
    const at = chunk.indexOf(quote, from);
    // The values of an INSERT interest nobody, and dumps made with --inserts consist of them.
    if (this.#keep || this.#firstWord === undefined) this.#append(chunk, from, at === -1 ? chunk.length : at);
    if (at === -1) return chunk.length;
    this.#mode = end;
    return at + 1;
  }

  /** After a closing quote: another one means that it was a quote in the text. */
  #quoteEnd(chunk: Buffer, at: number, quote: number, kind: "text" | "name"): number {
    if (chunk[at] === quote) {
      this.#value += String.fromCharCode(quote);
      this.#mode = kind;
      return at + 1;
    }
    this.#mode = "sql";
    this.#push(kind, this.#value);
    return at;
  }

  #dollarTag(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number;
    if (byte === DOLLAR) {
      this.#dollarEnd = `$${this.#value}$`;
      this.#dollarMatched = 0;
      return this.#begin("dollar text", at + 1);
    }
    // `$1` is a parameter, and no tag begins with a digit.
    if (isWordByte(byte) && !(this.#value === "" && isDigit(byte))) {
      this.#value += String.fromCharCode(byte);
      return at + 1;
    }
    this.#mode = isDigit(byte) ? "number" : "word";
    return at;
  }

  #dollarText(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; ) {
      if (this.#dollarMatched === 0) {
        at = chunk.indexOf(DOLLAR, at);
        if (at === -1) return chunk.length;
        this.#dollarMatched = 1;
        at += 1;
      } else if (chunk[at] === this.#dollarEnd.charCodeAt(this.#dollarMatched)) {
        this.#dollarMatched += 1;
        at += 1;
        if (this.#dollarMatched < this.#dollarEnd.length) continue;
        this.#mode = "sql";
        this.#push("text", "");
        return at;
      } else {
        // The byte is looked at again: a `$` may begin the real end.
        this.#dollarMatched = 0;
      }
    }
    return chunk.length;
  }

  #blockComment(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at += 1) {
      const byte = chunk[at] as number;
      const before = this.#pending;
      this.#pending = 0;
      if (before === SLASH && byte === STAR) {
        this.#commentDepth += 1;
      } else if (before === STAR && byte === SLASH) {
        this.#commentDepth -= 1;
        if (this.#commentDepth > 0) continue;
        this.#mode = "sql";
        return at + 1;
      } else if (byte === SLASH || byte === STAR) {
        this.#pending = byte;
      }
    }
    return chunk.length;
  }

  #line(chunk: Buffer, from: number): number {
    const at = chunk.indexOf(NEWLINE, from);
    this.#append(chunk, from, at === -1 ? chunk.length : at);
    if (at === -1) return chunk.length;
    this.#endLine();
    return at + 1;
  }

  #endLine(): void {
    const wasComment = this.#mode === "line comment";
    this.#mode = "sql";
    if (!wasComment) this.#listener.metaCommand(this.#value.trimEnd());
    else if (this.#firstWord === undefined) this.#listener.comment(this.#value);
  }

  #symbol(byte: number, end: number): void {
    if (byte === OPEN) this.#nesting.open();
    if (byte === CLOSE) this.#nesting.close();
    if (byte === SEMICOLON && this.#nesting.isTop) this.#endStatement(this.#base + end);
    else this.#push("symbol", String.fromCharCode(byte));
  }

  #push(kind: Token["kind"], value: string): void {
    if (this.#firstWord === undefined) {
      this.#firstWord = kind === "word" ? value : "";
      this.#keep = this.#listener.wants(this.#firstWord);
    }
    if (this.#keep && this.#tokens.length < KEPT_TOKENS) this.#tokens.push({ kind, value });
  }

  #endStatement(end: number): void {
    const first = this.#firstWord;
    const tokens = this.#tokens;
    const start = this.#start ?? end;
    this.#start = undefined;
    this.#firstWord = undefined;
    this.#tokens = [];
    this.#nesting.reset();
    if (first !== undefined) this.#stopped = this.#listener.statement(first, tokens, { start, end });
  }

  #append(chunk: Buffer, from: number, to: number): void {
    const free = KEPT_LENGTH - this.#value.length;
    if (free > 0 && to > from) this.#value += chunk.toString("latin1", from, Math.min(to, from + free));
  }
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

/** Letters, digits, `_`, `$` and everything that is not ASCII. */
function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x61 && byte <= 0x7a) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    isDigit(byte) ||
    byte === 0x5f ||
    byte === DOLLAR ||
    byte >= 0x80
  );
}
