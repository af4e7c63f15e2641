/** Which requests something is to happen to. */
interface RequestMatch {
  /** Any when left out. */
  readonly method?: string;
  /** The whole path, or what matches it; any when left out. */
  readonly path?: string | RegExp;
  /** How many of them; default one. */
  readonly times?: number;
}

export interface Failure extends RequestMatch {
  /** The HTTP status to answer with; `cut`: the connection ends without an answer. */
  readonly status: number | "cut";
  /** With 429: in how many milliseconds a request is let in again, by the headers; default one second. */
  readonly resetAfter?: number;
  /** Whether the request is carried out all the same, and only its answer is lost. Default: not. */
  readonly carriedOut?: boolean;
}

export interface Slowness extends RequestMatch {
  /** Milliseconds until the request is looked at. */
  readonly ms: number;
}

/** What is to go wrong, each for a number of requests. */
export class Faults {
  readonly #failures: Armed<Failure>[] = [];
  readonly #slow: Armed<Slowness>[] = [];

  failNext(failure: Failure): void {
    this.#failures.push({ fault: failure, left: failure.times ?? 1 });
  }

  slow(slowness: Slowness): void {
    this.#slow.push({ fault: slowness, left: slowness.times ?? 1 });
  }

  /** Everything works again. */
  clear(): void {
    this.#failures.length = 0;
    this.#slow.length = 0;
  }

  takeFailure(method: string, path: string): Failure | undefined {
    return take(this.#failures, method, path);
  }

  takeSlowness(method: string, path: string): Slowness | undefined {
    return take(this.#slow, method, path);
  }
}

interface Armed<T extends RequestMatch> {
  readonly fault: T;
  left: number;
}

function take<T extends RequestMatch>(armed: Armed<T>[], method: string, path: string): T | undefined {
  const found = armed.find(({ fault, left }) => left > 0 && matches(fault, method, path));
  if (found !== undefined) found.left--;
  return found?.fault;
}

function matches({ method: wanted, path: where }: RequestMatch, method: string, path: string): boolean {
  if (wanted !== undefined && wanted !== method) return false;
  return where === undefined || (typeof where === "string" ? where === path : where.test(path));
}
