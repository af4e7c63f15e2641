import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";
import { VERSION } from "../lib/program.ts";
import type { DaemonEvent } from "./daemon.ts";

/** What the daemon counts since it was started, and what its process takes. */
export class DaemonMetrics {
  readonly #registry = new Registry();
  readonly #jobs: Counter<"database" | "operation" | "outcome">;
  readonly #running: Gauge<"database" | "operation">;
  readonly #messages: Counter;
  readonly #failures: Counter;
  readonly #strategyBroken: Gauge;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    // Some of Node's gauges are called like counters, and whoever asks for their rate gets nonsense.
    for (const name of [
      "nodejs_active_resources_total",
      "nodejs_active_handles_total",
      "nodejs_active_requests_total",
    ])
      this.#registry.removeSingleMetric(name);
    const info = { name: "handled_build_info", help: "The version that runs.", labelNames: ["version"] };
    new Gauge({ ...info, registers }).set({ version: VERSION }, 1);
    this.#jobs = new Counter({
      name: "handled_jobs_total",
      help: "Jobs of the schedule that this daemon has run to their end.",
      labelNames: ["database", "operation", "outcome"],
      registers,
    });
    this.#running = new Gauge({
      name: "handled_jobs_running",
      help: "Jobs of the schedule that run now.",
      labelNames: ["database", "operation"],
      registers,
    });
    this.#messages = new Counter({
      name: "handled_messages_sent_total",
      help: "Messages that the channels of the strategy have taken.",
      registers,
    });
    this.#failures = new Counter({
      name: "handled_tell_failures_total",
      help: "Times that a channel could not be told, or that the look itself failed.",
      registers,
    });
    this.#strategyBroken = new Gauge({
      name: "handled_strategy_broken",
      help: "Whether the file of the strategy is broken, so that an older one is in force.",
      registers,
    });
  }

  /** Takes note of what happens. */
  count(event: DaemonEvent): void {
    switch (event.kind) {
      case "job started":
        this.#running.inc({ database: event.job.database, operation: event.job.operation });
        break;
      case "job ended": {
        const { database, operation } = event.job;
        this.#running.dec({ database, operation });
        this.#jobs.inc({ database, operation, outcome: event.end.outcome });
        break;
      }
      case "told":
        this.#messages.inc(event.messages);
        break;
      case "not told":
        this.#failures.inc();
        break;
      case "reloaded":
        this.#strategyBroken.set(0);
        break;
      case "strategy broken":
        this.#strategyBroken.set(1);
        break;
      case "history unread":
      case "job line":
      case "stopping":
      case "listening":
      case "set up":
      case "not listening":
      case "not answered":
        break;
    }
  }

  /** In the text format of Prometheus. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }
}
