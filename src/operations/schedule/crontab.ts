import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { linesOfBlock, withBlock, withoutBlock } from "./crontab-block.ts";
import { readCrontab, writeCrontab } from "./crontab-program.ts";

// Enough for somebody else saving theirs in the very same moment, several times in a row.
const MOST_WRITES = 5;

/**
 * Puts a strategy's lines into the current user's crontab; all other bytes stay. Says whether anything had to change.
 * Throws `client_missing` without cron, `tool_failed` when `crontab` fails, `usage` when the block's marks are broken.
 */
export async function installCrontab(
  runtime: Runtime,
  strategy: string,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<{ changed: boolean }> {
  return await editCrontab(runtime, (crontab) => withBlock(crontab, strategy, lines), signal);
}

/** The lines that the crontab has for a strategy; undefined when it has no block for it. Errors as `installCrontab`. */
export async function showCrontab(
  runtime: Runtime,
  strategy: string,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  return linesOfBlock(await readCrontab(runtime, signal), strategy);
}

/** Takes a strategy's block out of the crontab; all other bytes stay. Errors as `installCrontab`. */
export async function removeCrontab(
  runtime: Runtime,
  strategy: string,
  signal: AbortSignal,
): Promise<{ changed: boolean }> {
  return await editCrontab(runtime, (crontab) => withoutBlock(crontab, strategy), signal);
}

/**
 * `crontab` knows no lock and no compare-and-set: what somebody else saves between our reading and our writing would
 * be lost, or ours. So nothing happens between the two, and we look again until what is stored is what we want.
 */
async function editCrontab(
  runtime: Runtime,
  edit: (crontab: string) => string,
  signal: AbortSignal,
): Promise<{ changed: boolean }> {
  for (let writes = 0; ; writes++) {
    const current = await readCrontab(runtime, signal);
    const wanted = edit(current);
    if (wanted === current) return { changed: writes > 0 };
    if (writes === MOST_WRITES) break;
    await writeCrontab(runtime, wanted, signal);
  }
  throw new AppError("tool_failed", "edit the crontab: it does not keep what is written to it", {
    hint: "another program may be rewriting it all the time; `crontab -l` shows what is there",
  });
}
