import { resolve } from "node:path";
import { findStrategy, strategyPlaces } from "../config/find.ts";
import { loadStrategy } from "../config/load.ts";
import type { Strategy } from "../config/strategy.ts";
import { AppError } from "../errors.ts";
import type { Cli } from "./cli.ts";

/** The strategy, for commands that are about it and nothing else. Fails with `strategy_missing`. */
export async function requireStrategy(cli: Cli): Promise<Strategy> {
  const path = await findStrategy(cli.runtime, cli.config, cli.cwd);
  if (path === undefined) throw noStrategy(cli);
  return await loadStrategy(cli.runtime, path, cli.signal);
}

/** Where the strategy is, or was: for what can be done without reading it. Fails with `strategy_missing`. */
export async function requireStrategyPath(cli: Cli): Promise<string> {
  if (cli.config !== undefined) return resolve(cli.cwd, cli.config);
  const path = await findStrategy(cli.runtime, undefined, cli.cwd);
  if (path === undefined) throw noStrategy(cli);
  return path;
}

function noStrategy(cli: Cli): AppError {
  const places = strategyPlaces(cli.runtime, cli.cwd).join(", ");
  return new AppError("strategy_missing", `find a strategy: none of ${places} is there`, {
    hint: "`handled init` writes one; `--config FILE` names one elsewhere",
  });
}
