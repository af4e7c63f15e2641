import { planPrune } from "../operations/prune.ts";
import type { ShownBackup } from "../operations/show.ts";
import type { Cli } from "./cli.ts";
import type { Verdict } from "./render/show.ts";
import type { Places } from "./repositories.ts";
import { resolveTarget, retentionOf } from "./targets.ts";

/** What the strategy's retention says of the backup, where it knows the database. */
export async function verdictOn(
  cli: Cli,
  { strategy }: Places,
  { repository, index }: ShownBackup,
): Promise<Verdict> {
  if (strategy?.databases.some(({ name }) => name === index.database) !== true) return null;
  const target = await resolveTarget(cli, index.database, {});
  const place = target.places().find((one) => one.storage().place === repository.place);
  if (place === undefined) return null;
  const scope = {
    repository,
    database: index.database,
    rules: retentionOf(target, place, undefined),
    timeZone: target.timeZone,
    prefix: target.prefix,
  };
  const decisions = await planPrune(cli.runtime, scope, cli.signal);
  const decision = decisions.find(({ backup }) => backup.id === index.id);
  return decision === undefined ? null : { keep: decision.keep, reasons: [...decision.reasons] };
}
