import type { StrategyJson } from "../api/contract/jobs.ts";
import { readStrategyText } from "../config/load.ts";
import type { Cli } from "./cli.ts";
import { requireStrategyPath } from "./strategy-file.ts";

/** The strategy's file as it is, whether it could be in force or not: `${…}` stays as it is written. */
export async function strategyText(cli: Cli, request: AbortSignal): Promise<StrategyJson> {
  const path = await requireStrategyPath(cli);
  return { path, text: await readStrategyText(path, AbortSignal.any([cli.signal, request])) };
}
