import { stat } from "node:fs/promises";
import type { StrategyTextJson } from "../api/contract/strategy.ts";
import { coverSecrets } from "../config/cover-secrets.ts";
import { readStrategyText } from "../config/load.ts";
import type { Cli } from "./cli.ts";
import { requireStrategy } from "./strategy-file.ts";

/** The text of the strategy as it may be shown. Errors: of `requireStrategy`, and `coverSecrets`. */
export async function strategyText(cli: Cli): Promise<StrategyTextJson> {
  const strategy = await requireStrategy(cli);
  const { path: file } = strategy;
  const text = await readStrategyText(file, cli.signal);
  return { file, text: coverSecrets(text, strategy), at: (await stat(file)).mtime.toISOString() };
}
