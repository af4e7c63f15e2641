import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";

export interface Bounds {
  /** How much of its beginning a file keeps, in bytes. */
  readonly head: number;
  /** How much of its end, at least; twice as much at most. */
  readonly tail: number;
}

const NEWLINE = 10;

/**
 * Lines written into a file of which only the beginning and the end are kept, so that it fills no disk however long they come. What is
 * kept stays where it was in the file: between the two is a hole, which takes no room where the file system has holes, so whoever
 * reads on from a place finds what stands there. Only one process may write.
 */
export class BoundedFile {
  readonly #fd: number;
  readonly #bounds: Bounds;
  readonly #leftOut: (until: number, bytes: number) => string;
  /** Where the beginning ends that is kept; undefined while all is. */
  #headEnd: number | undefined;
  /** From where on all is kept. */
  #from = 0;
  #size = 0;

  /**
   * @param fd of a regular file for reading and writing, at its beginning
   * @param leftOut the line that stands before the hole: where it ends, and how much was there
   */
  constructor(fd: number, bounds: Bounds, leftOut: (until: number, bytes: number) => string) {
    this.#fd = fd;
    this.#bounds = bounds;
    this.#leftOut = leftOut;
  }

  /** Writes whole lines. What cannot be written is lost: that a disk is full must not end what the lines tell of. */
  write(text: string): boolean {
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
      this.#size += bytes.length;
      const { head, tail } = this.#bounds;
      const most = 2 * tail + (this.#headEnd === undefined ? head : 0);
      if (this.#size - this.#from > most) this.#leaveOut();
    } catch {
      return false;
    }
    return true;
  }

  #leaveOut(): void {
    const { head, tail } = this.#bounds;
    // Others may have written there, too: a process that breaks says so by itself.
    const { size } = fstatSync(this.#fd);
    this.#headEnd ??= this.#read(0, head).lastIndexOf(NEWLINE) + 1;
    const last = this.#read(size - tail, tail);
    const kept = last.subarray(last.indexOf(NEWLINE));
    const until = size - kept.length + 1;
    ftruncateSync(this.#fd, this.#headEnd);
    writeSync(this.#fd, `${this.#leftOut(until, until - this.#headEnd)}\n`, this.#headEnd);
    // With the end of the line before it, as a reader expects.
    writeSync(this.#fd, kept, 0, kept.length, until - 1);
    this.#from = until;
    this.#size = size;
  }

  #read(from: number, most: number): Buffer {
    const bytes = Buffer.alloc(most);
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, most, from));
  }
}
