import type { WhichDiff } from "../api/contract/requests.ts";
import type { DiffJson } from "../json/look.ts";
import { diffBackups } from "../operations/diff/diff.ts";
import { type ShownBackup, showBackup } from "../operations/show.ts";
import type { Cli } from "./cli.ts";
import { diffJson } from "./render/diff.ts";
import { resolveTarget } from "./targets.ts";

/** What differs between two backups of a database of the strategy; where no key opens them, as far as that can be told. */
export async function diffOf(cli: Cli, name: string, { first, second }: WhichDiff): Promise<DiffJson> {
  const target = await resolveTarget(cli, name, {});
  const storages = target.places().map((place) => () => place.storage());
  const find = async (backup: string): Promise<ShownBackup> =>
    await showBackup(cli.runtime, { storages, database: target.name, backup, operation: "diff" }, cli.signal);
  return diffJson(await diffBackups(cli.runtime, await find(first), await find(second), cli.signal));
}
