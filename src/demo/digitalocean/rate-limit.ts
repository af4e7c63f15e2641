/** A number of requests within the time that each of them counts; by the machine's time, which whoever waits for it has. */
export class RateLimit {
  readonly #limit: number;
  readonly #windowMs: number;
  #requests: number[] = [];

  constructor(limit: number, windowMs: number) {
    this.#limit = limit;
    this.#windowMs = windowMs;
  }

  /** Counts a request, unless there have been too many. The headers are those of every answer. */
  count(now: Date): { readonly exceeded: boolean; readonly headers: Readonly<Record<string, string>> } {
    const at = now.getTime();
    this.#requests = this.#requests.filter((one) => one > at - this.#windowMs);
    const exceeded = this.#requests.length >= this.#limit;
    if (!exceeded) this.#requests.push(at);
    const oldest = this.#requests[0] ?? at;
    return {
      exceeded,
      headers: {
        "ratelimit-limit": String(this.#limit),
        "ratelimit-remaining": String(this.#limit - this.#requests.length),
        // When the oldest request no longer counts, in seconds since 1970.
        "ratelimit-reset": String(Math.ceil((oldest + this.#windowMs) / 1000)),
      },
    };
  }
}

/** The headers of a refusal on demand. */
export function limitedUntil(moment: Date): Readonly<Record<string, string>> {
  return {
    "ratelimit-remaining": "0",
    "ratelimit-reset": String(Math.ceil(moment.getTime() / 1000)),
  };
}
