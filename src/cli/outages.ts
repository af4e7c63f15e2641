import type { Strategy } from "../config/strategy.ts";
import { errorCode, isAppError } from "../errors.ts";
import { silentReporter } from "../lib/runtime.ts";
import { connect } from "../postgres/session.ts";
import { openRepository } from "../repository/repository.ts";
import type { Cli } from "./cli.ts";
import { openStrategyPlace } from "./open-place.ts";
import { strategyTarget } from "./targets.ts";

/**
 * What does not answer of a strategy's servers and places, each with the code of its error: nothing but a connection to each
 * database, and the first object of each place, asked for once, so that it can be asked all the time. Sorted, and empty where all answer.
 */
export async function outagesOf(cli: Cli, strategy: Strategy, signal: AbortSignal): Promise<string[]> {
  const runtime = { ...cli.runtime, reporter: silentReporter };
  const own = { ...cli, signal };
  const servers = strategy.databases.map(async (entry) => {
    const target = strategyTarget(own, strategy, entry, {});
    return await failureOf(target.name, signal, async () => {
      await using _ = await connect(runtime, await target.connection(), signal);
    });
  });
  // Many databases may share a place.
  const names = new Set(strategy.databases.flatMap(({ repositories }) => repositories));
  const places = [...names].map(
    async (name) =>
      await failureOf(`place ${name}`, signal, async () => {
        await openRepository(runtime, openStrategyPlace(own, strategy, name, {}), signal);
      }),
  );
  return (await Promise.all([...servers, ...places])).flat().toSorted();
}

async function failureOf(what: string, signal: AbortSignal, ask: () => Promise<void>): Promise<string[]> {
  try {
    await ask();
    return [];
  } catch (error) {
    signal.throwIfAborted();
    // Whatever it is, the look that follows says it in full.
    return [`${what}: ${isAppError(error) ? error.code : (errorCode(error) ?? "unexpected")}`];
  }
}
