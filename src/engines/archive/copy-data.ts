const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
// `\.` and, where an editor made Windows lines of it, a carriage return: psql accepts both.
const LONGEST_END = 3;

/**
 * Counts the rows of one COPY block of a dump, chunk by chunk. In COPY's text format a row is a line: newlines inside
 * values are written as `\n`. No text is made of the lines, which is what makes this fast.
 */
export class CopyCounter {
  rows = 0;
  /** Bytes of the rows with their line ends, without the line that ends the block. */
  bytes = 0;
  /** The beginning of a line whose end has not come yet, as far as it could still be the end of the block. */
  #begun: number[] = [];
  /** Bytes of that line. */
  #begunLength = 0;

  /** Reads from `from` on; returns the position after the block's end, or -1 when the block goes on. */
  consume(chunk: Buffer, from: number): number {
    let start = from;
    let rows = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) break;
      if (this.#endsBlock(chunk, start, newline)) {
        this.rows += rows;
        this.bytes += start - from - this.#begunLength;
        return newline + 1;
      }
      if (this.#begunLength > 0) this.#forget();
      rows += 1;
      start = newline + 1;
    }
    this.rows += rows;
    this.bytes += chunk.length - from;
    this.#remember(chunk, start);
    return -1;
  }

  #endsBlock(chunk: Buffer, start: number, newline: number): boolean {
    const length = newline - start;
    if (this.#begunLength === 0) {
      if (chunk[start] !== BACKSLASH || chunk[start + 1] !== DOT) return false;
      return length === 2 || (length === 3 && chunk[start + 2] === RETURN);
    }
    if (this.#begunLength + length > LONGEST_END) return false;
    const line = [...this.#begun, ...chunk.subarray(start, newline)];
    return line[0] === BACKSLASH && line[1] === DOT && (line.length === 2 || line[2] === RETURN);
  }

  #remember(chunk: Buffer, start: number): void {
    const free = LONGEST_END - this.#begun.length;
    if (free > 0) this.#begun.push(...chunk.subarray(start, start + free));
    this.#begunLength += chunk.length - start;
  }

  #forget(): void {
    this.#begun = [];
    this.#begunLength = 0;
  }
}
