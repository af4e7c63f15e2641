import { holdsSecrets, readStrategyText } from "../config/load.ts";
import { AppError, messageOf } from "../errors.ts";
import type { PlacesReport } from "../operations/backup-places.ts";
import { openRepository } from "../repository/repository.ts";
import { keepStrategy } from "../repository/strategy-copy.ts";
import type { Cli } from "./cli.ts";
import { storagesOf, type Target } from "./targets.ts";

/**
 * Keeps the strategy beside the backups that it is about, for the day when all machines are lost. That it cannot be kept is told,
 * and takes nothing from the backup.
 * @param report of the backup: a place that could not be used is left alone
 */
export async function keepStrategyOf(cli: Cli, target: Target, report: PlacesReport): Promise<void> {
  const { strategy } = target;
  if (strategy === null) return;
  const failed = report.places.flatMap(({ place, failure }) => (failure === undefined ? [] : [place]));
  const places = storagesOf(target).filter(({ place }) => !failed.includes(place));
  let text: string;
  try {
    text = await readStrategyText(strategy.path, cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || cli.signal.aborted) throw error;
    cli.runtime.reporter.warn(`the strategy is not kept beside the backups: ${messageOf(error)}`);
    return;
  }
  for (const storage of places) {
    try {
      const repository = await openRepository(cli.runtime, storage, cli.signal);
      const kept = await keepStrategy(repository, { text, hasSecrets: holdsSecrets(strategy) }, cli.signal);
      if (kept === "secret")
        cli.output.note(
          `the strategy is not kept in ${storage.place}, which is not encrypted: it holds a password; write \`\${NAME}\` in its place`,
        );
    } catch (error) {
      if (!(error instanceof AppError) || cli.signal.aborted) throw error;
      cli.runtime.reporter.warn(`the strategy is not kept in ${storage.place}: ${messageOf(error)}`);
    }
  }
}
