/**
 * Work that goes on beside its caller, at most so much of it at a time: waiting for a disk to say that bytes are durable
 * takes longer than anything else about them.
 */
export class InFlight {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Starts the work. Its failure is the returned promise's, which the caller has to wait for in the end. */
  start<T>(work: () => Promise<T>): Promise<T> {
    const run = work();
    const ended: Promise<void> = run.then(
      () => void this.#running.delete(ended),
      () => void this.#running.delete(ended),
    );
    this.#running.add(ended);
    return run;
  }

  /** Waits until all of it has ended, however it ended. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Waits until there is room for more. */
  async room(): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
  }
}
