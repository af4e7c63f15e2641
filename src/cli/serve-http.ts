import type { HttpAddress } from "../config/http-address.ts";
import type { DaemonEvent } from "../daemon/daemon.ts";
import { DaemonMetrics } from "../daemon/daemon-metrics.ts";
import {
  type HttpAnswer,
  type HttpMounts,
  type HttpServer,
  PLAIN_TEXT,
  startHttpServer,
} from "../daemon/http-server.ts";
import { AppError, inOperation } from "../errors.ts";
import type { Health } from "../health/health.ts";
import { healthMetrics, type Look } from "../health/metrics.ts";
import type { Clock } from "../lib/clock.ts";

// Three looks in a row that did not come to an end.
const STALE_MS = 15 * 60_000;
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** What the daemon tells whoever asks over HTTP: what it has found at its last look, never anything that it would have to look up. */
export class ServeHttp implements AsyncDisposable {
  readonly #metrics = new DaemonMetrics();
  readonly #clock: Clock;
  readonly #tell: (event: DaemonEvent) => void;
  readonly #mounts: HttpMounts;
  /** Where it listens, or did not come to; undefined: nobody wants it to. */
  #address: HttpAddress | undefined;
  #server: HttpServer | undefined;
  #listening: Promise<void> = Promise.resolve();
  /** Why it could not listen, told once. */
  #told: string | undefined;
  /** Why a page could not be answered, told once. */
  readonly #unanswered = new Map<string, string>();
  #found = "";
  /** By the monotonic clock, in milliseconds. */
  #lookedAt: number;

  /**
   * @param tell hears of `listening` and `not listening`
   * @param mounts what else is answered there
   */
  constructor(clock: Clock, tell: (event: DaemonEvent) => void, mounts: HttpMounts = {}) {
    this.#clock = clock;
    this.#tell = tell;
    this.#mounts = mounts;
    this.#lookedAt = clock.monotonic();
  }

  /**
   * Listens there, unless it does, and no longer elsewhere. That it cannot is told, and keeps nothing else from its work.
   * @param address undefined: nowhere
   */
  async listen(address: HttpAddress | undefined): Promise<void> {
    // A look goes on beside the reading of a strategy that has changed.
    const before = this.#listening;
    this.#listening = (async () => {
      await before;
      await this.#listen(address);
    })();
    await this.#listening;
  }

  /** Takes note of what happens. */
  count(event: DaemonEvent): void {
    this.#metrics.count(event);
  }

  /** Shows from now on what was found at a look. */
  async show(health: Health, look: Look): Promise<void> {
    this.#found = await healthMetrics(health, look);
    this.#lookedAt = this.#clock.monotonic();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #answerMetrics(): Promise<HttpAnswer> {
    return { status: 200, type: METRICS_TYPE, body: `${await this.#metrics.text()}${this.#found}` };
  }

  async #listen(address: HttpAddress | undefined): Promise<void> {
    if (address?.host !== this.#address?.host || address?.port !== this.#address?.port) {
      await this.#server?.[Symbol.asyncDispose]();
      this.#server = undefined;
      this.#told = undefined;
      this.#address = address;
    }
    if (address === undefined || this.#server !== undefined) return;
    try {
      const routes = {
        "/metrics": async () => await this.#answerMetrics(),
        "/healthz": async () => await this.#answerHealth(),
      };
      this.#server = await startHttpServer(
        address,
        routes,
        (path, error) => this.#fail(path, error),
        this.#mounts,
      );
      this.#told = undefined;
      this.#tell({ kind: "listening", url: this.#server.url });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (this.#told !== error.message) this.#tell({ kind: "not listening", error });
      this.#told = error.message;
    }
  }

  /** Who asks asks every few seconds: the same reason is told once. */
  #fail(path: string, cause: unknown): void {
    const error = inOperation(`answer ${path}`, cause);
    if (this.#unanswered.get(path) === error.message) return;
    this.#unanswered.set(path, error.message);
    this.#tell({ kind: "not answered", error });
  }

  /** Whether the daemon does its work; how the databases are is another matter. */
  async #answerHealth(): Promise<HttpAnswer> {
    const ms = this.#clock.monotonic() - this.#lookedAt;
    if (ms <= STALE_MS) return { status: 200, type: PLAIN_TEXT, body: "ok\n" };
    const minutes = Math.floor(ms / 60_000);
    return { status: 503, type: PLAIN_TEXT, body: `no look has come to an end for ${minutes} minutes\n` };
  }
}
