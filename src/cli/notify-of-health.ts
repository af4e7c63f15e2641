import { AppError } from "../errors.ts";
import type { Health } from "../health/health.ts";
import { type Looked, notifyFindings, type NotifyReport } from "../notify/notify-findings.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { storagesOf, type Target } from "./targets.ts";

const UNREADABLE: readonly string[] = ["repository-unreadable", "history-unreadable"];

/**
 * Tells the channels of the strategy what is wrong, or over, that they were not told before. Fails with `usage` where it has none.
 * @param runbook what it says of substance, whose changes the digest tells; undefined where it is not kept
 */
export async function notifyOfHealth(
  cli: Cli,
  targets: readonly Target[],
  health: Health,
  runbook?: string,
): Promise<NotifyReport> {
  const strategy = targets[0]?.strategy ?? null;
  if (strategy === null || strategy.notify === undefined) {
    throw new AppError("usage", "tell somebody: no strategy with `notify` says whom", {
      hint: "`notify` of the strategy names the channels: docs/notify.md",
    });
  }
  const looked = health.databases.map((status): Looked => {
    const target = targets.find(({ name }) => name === status.database);
    return {
      database: status.database,
      findings: status.findings,
      // While something cannot be read, what would be found in it is not over.
      complete: status.known && !status.findings.some(({ id }) => UNREADABLE.includes(id)),
      storages: target === undefined ? [] : openable(target),
    };
  });
  const { notify, path: strategyPath, timeZone, databases } = strategy;
  // Of some databases only, neither the digest nor the places of all can be told of.
  const isWhole = targets.length === databases.length;
  const complete = looked.every((one) => one.complete);
  if (isWhole) looked.push({ database: null, findings: health.findings, complete, storages: [] });
  const digest = isWhole ? { timeZone, runbook } : null;
  const request = { notify, strategyPath, digest, looked };
  return await notifyFindings(cli.runtime, request, cli.signal);
}

/** Those that can be opened; what keeps the others from it is among the findings. */
function openable(target: Target): Storage[] {
  try {
    return storagesOf(target);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [];
  }
}
