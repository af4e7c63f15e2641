import { columnsOf } from "../lib/columns.ts";
import type { Progress, ReportedStep, Reporter } from "../lib/runtime.ts";
import type { PlanProgressJson, ProgressEventJson, ProgressJson } from "../json/progress.ts";
import type { Secrets } from "../lib/secrets.ts";
import { formatBytes, formatDuration } from "../lib/text.ts";

/** Where a process writes; `process.stdout` and `process.stderr` fit. */
export interface Terminal {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  /** Standard error is lines of JSON (`src/json/progress.ts`). */
  readonly progress?: "json" | undefined;
}

const CLEAR_LINE = "\r\u001b[2K";
// Often enough to look alive, seldom enough not to cost time.
const REDRAW_MS = 100;
// Without a terminal a line now and then is enough to see that it goes on.
const PLAIN_LINE_MS = 10_000;
// The first second's rate says little about the rest.
const ESTIMATE_AFTER_MS = 1000;

// A program draws bars from it; of what takes long it keeps every line.
const JSON_LINE_MS = 400;
const JSON_LINE_LATER_MS = 5000;
const LATER_MS = 5 * 60_000;

/** Data goes to standard output, words and progress to standard error. Everything passes the redaction of secrets. */
export class Output implements Reporter {
  readonly options: OutputOptions;
  readonly #stdout: Terminal;
  readonly #stderr: Terminal;
  readonly #secrets: Secrets;
  readonly #monotonic: () => number;
  #phase = "";
  #phaseStarted = 0;
  #lastDrawn = 0;
  #lineShown = false;

  constructor(
    streams: { stdout: Terminal; stderr: Terminal },
    options: OutputOptions,
    secrets: Secrets,
    monotonic: () => number,
  ) {
    this.#stdout = streams.stdout;
    this.#stderr = streams.stderr;
    this.options = options;
    this.#secrets = secrets;
    this.#monotonic = monotonic;
  }

  /** How wide results may be; undefined where nobody looks at them in a terminal. */
  get width(): number | undefined {
    return this.#stdout.isTTY === true ? this.#stdout.columns : undefined;
  }

  /** A command's result for people. */
  text(text: string): void {
    this.#clear();
    this.#stdout.write(`${this.#secrets.redact(text)}\n`);
  }

  /** A result that holds nothing but names and figures, as it is: redacting would break its format. */
  exact(text: string): void {
    this.#clear();
    this.#stdout.write(text);
  }

  /** A command's result for machines: one line of JSON. */
  json(value: unknown): void {
    this.#clear();
    // Text by text, for a password like `true` or `1234` taken out of the JSON would break it.
    const redacted = (_: string, part: unknown): unknown =>
      typeof part === "string" ? this.#secrets.redact(part) : part;
    this.#stdout.write(`${JSON.stringify(value, redacted)}\n`);
  }

  /** Writes the value as JSON with `--json`, else the text. */
  result(value: unknown, text: () => string): void {
    if (!this.options.json) return this.text(text());
    this.json(value);
    if (this.#asJson) this.#event({ event: "result", message: text(), hint: null });
  }

  note(text: string): void {
    if (this.options.quiet) return;
    if (this.#asJson) this.#event({ event: "note", message: text, hint: null });
    else this.#line(text);
  }

  warn(text: string): void {
    if (this.#asJson) this.#event({ event: "warning", message: text, hint: null });
    else this.#line(`${this.paint("yellow", "warning:")} ${text}`);
  }

  /** An error with its hint, as every command ends on failure. */
  error(message: string, hint: string | undefined): void {
    if (this.#asJson) return this.#event({ event: "error", message, hint: hint ?? null });
    this.#line(`${this.paint("red", "handled:")} ${message}`);
    if (hint !== undefined) this.#line(`${this.paint("cyan", "hint:")} ${hint}`);
  }

  /** The command has ended, and this is all. */
  ended(exitCode: number): void {
    if (this.#asJson) this.#event({ event: "ended", exitCode });
  }

  paint(color: "red" | "green" | "yellow" | "cyan" | "bold" | "dim", text: string): string {
    if (!this.options.color) return text;
    const codes = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 };
    return `\u001b[${codes[color]}m${text}\u001b[0m`;
  }

  progress(progress: Progress): void {
    if (this.options.quiet) return;
    const now = this.#monotonic();
    if (this.#asJson) return this.#jsonProgress(progress, now);
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#phaseStarted = now;
      this.#lastDrawn = this.#stderr.isTTY === true ? -Infinity : now;
    }
    const interval = this.#stderr.isTTY === true ? REDRAW_MS : PLAIN_LINE_MS;
    if (now - this.#lastDrawn < interval) return;
    this.#lastDrawn = now;
    const text = this.#secrets.redact(describeProgress(progress, now - this.#phaseStarted));
    if (this.#stderr.isTTY !== true) {
      this.#stderr.write(`${text}\n`);
      return;
    }
    const width = Math.max(20, (this.#stderr.columns ?? 80) - 1);
    this.#stderr.write(CLEAR_LINE + fit(text, width));
    this.#lineShown = true;
  }

  step({ id, title, place, of, budgetMs, outcome, ms }: ReportedStep): void {
    if (this.#asJson) {
      if (!this.options.quiet)
        this.#event({ event: "step", id, title, budgetMs, outcome, ms: ms === null ? null : Math.round(ms) });
      return;
    }
    const where = `step ${place} of ${of}:`;
    const budget = formatDuration(budgetMs);
    if (outcome === "begun") this.note(`${where} ${title} (budget ${budget})`);
    if (outcome !== "done" || ms === null) return;
    const took = `${where} done in ${formatDuration(ms)}`;
    if (ms <= budgetMs) this.note(took);
    else this.warn(`${took}, over its budget of ${budget}`);
  }

  /** What is about to be done, step by step, for programs. */
  plan(plan: PlanProgressJson): void {
    if (this.#asJson && !this.options.quiet) this.#event({ event: "plan", ...plan });
  }

  /** Takes the progress line away, for whoever else writes to the terminal. */
  clear(): void {
    this.#clear();
  }

  get #asJson(): boolean {
    return this.options.progress === "json";
  }

  #jsonProgress(progress: Progress, now: number): void {
    const isNew = progress.phase !== this.#phase;
    if (isNew) {
      this.#phase = progress.phase;
      this.#phaseStarted = now;
    }
    const elapsedMs = now - this.#phaseStarted;
    const interval = elapsedMs < LATER_MS ? JSON_LINE_MS : JSON_LINE_LATER_MS;
    if (!isNew && now - this.#lastDrawn < interval) return;
    this.#lastDrawn = now;
    this.#event({ event: "progress", ...progressJson(progress, elapsedMs) });
  }

  /** A line for programs: text by text, as in `json`. */
  #event(event: Untimed): void {
    const redacted = (_: string, part: unknown): unknown =>
      typeof part === "string" ? this.#secrets.redact(part) : part;
    this.#stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...event }, redacted)}\n`);
  }

  #line(text: string): void {
    this.#clear();
    this.#stderr.write(`${this.#secrets.redact(text)}\n`);
  }

  #clear(): void {
    if (this.#lineShown) this.#stderr.write(CLEAR_LINE);
    this.#lineShown = false;
  }
}

type Untimed = ProgressEventJson extends infer Event
  ? Event extends unknown
    ? Omit<Event, "time">
    : never
  : never;

function progressJson(progress: Progress, elapsedMs: number): ProgressJson {
  const { phase, bytes, totalBytes, tables, totalTables, indexes, totalIndexes, share, table } = progress;
  const byBytes = totalBytes !== undefined && totalBytes > 0 ? bytes / totalBytes : null;
  const part = share ?? byBytes;
  return {
    step: phase,
    bytes: Math.round(bytes),
    totalBytes: totalBytes === undefined ? null : Math.round(totalBytes),
    tables: tables ?? null,
    totalTables: totalTables ?? null,
    indexes: indexes ?? null,
    totalIndexes: totalIndexes ?? null,
    share: part === null ? null : Math.min(1, Math.max(0, part)),
    table: table ?? null,
    message: describeProgress(progress, elapsedMs),
  };
}

/** `restore: 45.1 MiB of about 120 MiB · table 3 of 12 · index 1 of 20 · 22 MiB/s · 3.4 s left · reference.products`. */
export function describeProgress(progress: Progress, elapsedMs: number): string {
  const { bytes, totalBytes, tables, totalTables, indexes, totalIndexes, table } = progress;
  const parts: string[] = [];
  const known = totalBytes !== undefined && totalBytes > bytes;
  if (bytes > 0)
    parts.push(known ? `${formatBytes(bytes)} of about ${formatBytes(totalBytes)}` : formatBytes(bytes));
  if (tables !== undefined)
    parts.push(totalTables === undefined ? `table ${tables}` : `table ${tables} of ${totalTables}`);
  if (indexes !== undefined && totalIndexes !== undefined) parts.push(`index ${indexes} of ${totalIndexes}`);
  if (bytes > 0 && elapsedMs >= ESTIMATE_AFTER_MS) {
    // The rate of bytes that have all come would only fall while something else goes on.
    if (known || progress.share === undefined) parts.push(`${formatBytes(bytes / (elapsedMs / 1000))}/s`);
    const share = progress.share ?? (known ? bytes / totalBytes : 1);
    if (share < 1) parts.push(`${formatDuration(elapsedMs * (1 / share - 1))} left`);
  }
  // A name may hold anything, and this is one line of a terminal.
  if (table !== undefined) parts.push(table.replaceAll(/\p{Cc}+/gu, " "));
  return parts.length === 0 ? progress.phase : `${progress.phase}: ${parts.join(" · ")}`;
}

/** The text cut to so many columns of a terminal: a line that wraps could not be taken away again. */
function fit(text: string, width: number): string {
  if (columnsOf(text) <= width) return text;
  let kept = "";
  let columns = 1;
  for (const character of text) {
    columns += columnsOf(character);
    if (columns > width) break;
    kept += character;
  }
  return `${kept}…`;
}
