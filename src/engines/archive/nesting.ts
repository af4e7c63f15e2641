const OPENING_WORDS = new Set(["create", "or", "replace", "function", "procedure"]);
/** The initials of `create [or replace] function|procedure`. */
const CREATES_FUNCTION = /^c(f|p|or[fp])/;

/**
 * How deep inside one statement we are: in parentheses, and in `BEGIN ATOMIC … END` of an SQL function, where a `;` ends
 * no statement. It does what psql does, which is a heuristic too.
 */
export class Nesting {
  #parentheses = 0;
  #begins = 0;
  /** Initials of the statement's first four words; a space for each that opens no function. */
  #opening = "";

  /** True where a `;` ends the statement. */
  get isTop(): boolean {
    return this.#parentheses === 0 && this.#begins === 0;
  }

  open(): void {
    this.#parentheses += 1;
  }

  close(): void {
    if (this.#parentheses > 0) this.#parentheses -= 1;
  }

  /** An unquoted word in lower case. */
  word(word: string): void {
    if (this.#opening.length < 4) this.#opening += OPENING_WORDS.has(word) ? word.charAt(0) : " ";
    if (this.#parentheses > 0 || !CREATES_FUNCTION.test(this.#opening)) return;
    if (word === "begin") this.#begins += 1;
    // CASE ends with END too.
    else if (word === "case" && this.#begins > 0) this.#begins += 1;
    else if (word === "end" && this.#begins > 0) this.#begins -= 1;
  }

  /** A new statement. */
  reset(): void {
    this.#begins = 0;
    this.#opening = "";
  }
}
