// Shorter values would blank out ordinary words; a password this short is no secret anyway.
const SHORTEST = 4;

// To the last @ before the host, because people forget to encode one in a password. The scheme's length is bounded, or
// a long word without any `://` would be searched from each of its letters.
const URL_PASSWORD = /[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]*:([^\s/]+)@/dgi;

type Span = readonly [start: number, end: number];

/**
 * The secrets this process knows (passwords of connection strings, tokens), so that they can be taken out of
 * every text that leaves it: messages, hints, details, what child programs print.
 */
export class Secrets {
  readonly #patterns = new Map<string, RegExp>();
  /** Whether a text has any of them; undefined until somebody asks. */
  #any: RegExp | undefined;

  /** Remembers a secret. Empty and very short values are ignored. */
  add(secret: string | undefined): void {
    if (secret === undefined || secret.length < SHORTEST || this.#patterns.has(secret)) return;
    this.#patterns.set(secret, patternOf(secret));
    this.#any = undefined;
  }

  /**
   * The text with `***` for every known secret, however it is URL-encoded or written in JSON, and for the password of
   * anything that looks like a URL. Secrets that overlap are taken out together, so that no end of one stays.
   */
  redact(text: string): string {
    // Most texts: a listing as JSON has hundreds of thousands.
    if (!text.includes("://") && !this.#hasAny(text)) return text;
    // What stood in a secret may have kept the rest of a URL from looking like one.
    for (let before = text; ; ) {
      const shown = this.#redactOnce(before);
      if (shown === before) return shown;
      before = shown;
    }
  }

  #hasAny(text: string): boolean {
    if (this.#patterns.size === 0) return false;
    this.#any ??= new RegExp([...this.#patterns.values()].map(({ source }) => source).join("|"), "u");
    return this.#any.test(text);
  }

  #redactOnce(text: string): string {
    const spans = [URL_PASSWORD, ...this.#patterns.values()]
      .flatMap((pattern) => [...text.matchAll(pattern)].map((match): Span | undefined => match.indices?.[1]))
      .filter((span) => span !== undefined)
      .toSorted((a, b) => a[0] - b[0]);
    let result = "";
    let done = 0;
    for (const [start, end] of spans) {
      if (end <= done) continue;
      if (start >= done) result += `${text.slice(done, start)}***`;
      done = end;
    }
    return result + text.slice(done);
  }
}

/** Finds a secret from every place on, also where two of its occurrences overlap: hence the lookahead. */
function patternOf(secret: string): RegExp {
  const characters = Array.from(secret.toWellFormed(), (character) => {
    const encoded = [...Buffer.from(character)].map((byte) => `%${hexOf(byte)}`).join("");
    const inJson = JSON.stringify(character).slice(1, -1);
    const forms = new Set([character, inJson].map((form) => RegExp.escape(form)));
    return `(?:${[...forms, encoded].join("|")})`;
  });
  return new RegExp(`(?=(${characters.join("")}))`, "dgu");
}

/** Both cases of both digits: `[cC]3`. */
function hexOf(byte: number): string {
  return byte
    .toString(16)
    .padStart(2, "0")
    .replaceAll(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`);
}

// Here an argument ends the text, so that a password may hold a slash or a space that somebody forgot to encode.
const ARGUMENT_URL = /^((?:--[a-z-]+=)?[a-z][a-z0-9+.-]{0,30}:\/\/[^\s:/@]*:).+@/is;
const KEYWORD = /(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)/gis;

/** A command line with its passwords replaced by `***`, as other users may see it; undefined when it has none. */
export function coverArguments(args: readonly string[]): string | undefined {
  const covered = args.map((arg) => arg.replace(ARGUMENT_URL, "$1***@").replaceAll(KEYWORD, "$1***"));
  return covered.every((arg, index) => arg === args[index]) ? undefined : covered.join(" ");
}
