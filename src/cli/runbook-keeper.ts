import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Strategy } from "../config/strategy.ts";
import { AppError, errorCode, inOperation } from "../errors.ts";
import { type Finding, finding } from "../health/finding.ts";
import { EDITED, keepFile } from "../lib/kept-file.ts";
import { formatLocalTime } from "../lib/local-time.ts";
import type { Cli } from "./cli.ts";
import { pageHtml } from "./render/page/html.ts";
import { pageMarkdown } from "./render/page/markdown.ts";
import { type RunbookWorld, runbookPages } from "./runbook-of.ts";

/** What keeping the runbook came to. */
interface KeptRunbook {
  /** That it is not written, or was changed by hand. */
  readonly findings: readonly Finding[];
  /** What it says of substance, as Markdown; undefined where it is not kept, or could not be made. */
  readonly substance: string | undefined;
}

/** What the first line of each file calls it. */
export const RUNBOOK_NAME = "handled runbook";
// Plans are made from what the places have recorded, which is more than to look once a minute.
const AGAIN_MS = 10 * 60_000;

/** Keeps the files of the strategy's `runbook` true: written anew when what they say has changed. */
export class RunbookKeeper {
  #last: { readonly key: string; readonly at: number; readonly kept: KeptRunbook } | undefined;

  /** Looks at everything again only when something was found anew, or some minutes have passed. Never fails but when it is stopped. */
  async keep(cli: Cli, strategy: Strategy, world: RunbookWorld): Promise<KeptRunbook> {
    if (strategy.runbookFiles.length === 0) return { findings: [], substance: undefined };
    const { clock } = cli.runtime;
    const key = keyOf(strategy, world);
    const last = this.#last;
    if (last !== undefined && last.key === key && clock.monotonic() - last.at < AGAIN_MS) return last.kept;
    const kept = await keepNow(cli, strategy, world);
    // What could not be written is tried again at the next look.
    const isWhole = kept.findings.every(({ id }) => id !== "runbook-not-written");
    this.#last = isWhole ? { key, at: clock.monotonic(), kept } : undefined;
    return kept;
  }
}

/** What moves when there is something to write. */
function keyOf(strategy: Strategy, { health }: RunbookWorld): string {
  const found = [...health.databases.flatMap(({ findings }) => findings), ...health.findings];
  return JSON.stringify([
    strategy,
    health.databases.map(({ newest, live }) => [newest?.id, live.newestProven?.id]),
    found.map(({ id, database, subject }) => [id, database, subject]),
  ]);
}

async function keepNow(cli: Cli, strategy: Strategy, world: RunbookWorld): Promise<KeptRunbook> {
  const { secrets } = cli.runtime;
  const findings: Finding[] = [];
  let pageFor: Awaited<ReturnType<typeof runbookPages>>;
  try {
    pageFor = await runbookPages(cli, strategy, world);
  } catch (error) {
    if (cli.signal.aborted) throw error;
    const told = notWritten(strategy.runbookFiles.join(", "), inOperation("write the runbook", error));
    return { findings: [told], substance: undefined };
  }
  const says = secrets.redact(pageMarkdown(pageFor("act")));
  for (const path of strategy.runbookFiles) {
    const page = pageFor("read");
    const render = path.endsWith(".html") ? pageHtml : pageMarkdown;
    const text = (): string => secrets.redact(render(page));
    try {
      await keepFile({
        path,
        name: RUNBOOK_NAME,
        says,
        text,
        stamp: formatLocalTime(world.printedAt, strategy.timeZone),
      });
    } catch (error) {
      findings.push(notWritten(path, inOperation(`write ${path}`, error)));
    }
    for (const copy of await editedCopies(path)) findings.push(edited(path, copy));
  }
  return { findings, substance: secrets.redact(pageMarkdown(pageFor("tell"))) };
}

const NOBODY = { database: null, criticality: null };

function notWritten(path: string, { message, hint }: AppError): Finding {
  return finding("runbook-not-written", NOBODY, {
    subject: path,
    message: `the runbook is not kept up to date: ${message}`,
    hint: hint ?? `\`handled runbook --file ${path}\` says the same as it happens`,
  });
}

function edited(path: string, copy: string): Finding {
  return finding("runbook-edited", NOBODY, {
    subject: copy,
    message: `somebody has changed ${path} by hand; it was written anew, and what it was is ${copy}`,
    hint: "what is of worth in it belongs into the strategy, as contacts or duties; then move it away",
  });
}

async function editedCopies(path: string): Promise<string[]> {
  try {
    const names = await readdir(dirname(path));
    return names
      .filter((name) => name.startsWith(`${basename(path)}${EDITED}`))
      .map((name) => join(dirname(path), name));
  } catch (error) {
    // What keeps it from being read has kept it from being written.
    if (errorCode(error) !== undefined) return [];
    throw error;
  }
}
