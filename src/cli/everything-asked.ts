import { join } from "node:path";
import { parseStrategy } from "../config/load.ts";
import { findDatabase, type StrategyDatabase } from "../config/strategy.ts";
import { AppError, inOperation } from "../errors.ts";
import { groundOfEach } from "../recovery/ground.ts";
import type { KeptStrategy } from "../recovery/steps/everything.ts";
import { openRepository } from "../repository/repository.ts";
import { readKeptStrategy } from "../repository/strategy-copy.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { openNamedPlace, openStrategyPlace } from "./open-place.ts";
import type { PlanOptions, PlanRequest } from "./plans.ts";
import { productionGround } from "./production-ground.ts";
import { databasesIn } from "./repositories.ts";
import { returningUsers } from "./returning-users.ts";
import {
  loadCliStrategy,
  type PlaceOptions,
  resolveTarget,
  resolveTargets,
  strategyTarget,
  type Target,
} from "./targets.ts";

interface EverythingOptions extends Omit<PlanOptions, "to"> {
  /** `NAME=URL` each. */
  readonly to?: readonly string[];
}

/**
 * All databases that are lost, and where each goes. On a machine without a strategy that of the repository says it; where that
 * keeps none, the databases in it, each with a `--to`. Fails with `usage`.
 */
export async function everythingAsked(
  cli: Cli,
  names: readonly string[],
  { to = [], ...options }: EverythingOptions,
): Promise<PlanRequest> {
  for (const [option, value] of Object.entries({ "--backup": options.backup, "--from": options.from }))
    if (value !== undefined)
      throw new AppError(
        "usage",
        `recover everything-lost: \`${option}\` says nothing of several databases`,
        {
          hint: "recover that database alone with `server-lost`",
        },
      );
  const { targets, strategy, storages, path } = await everything(cli, names, options);
  const all = mostCriticalFirst(targets);
  const [target] = all;
  if (target === undefined)
    throw new AppError("backup_missing", "recover everything-lost: the repository has no database", {
      hint: "check the place with `handled repository check`",
    });
  const places = placesNamed(to, all);
  const grounds = all.map((one) => {
    const place = places.get(one.name);
    if (place === undefined && one.entry === null)
      throw new AppError("usage", `recover everything-lost: nobody says where ${one.name} goes`, {
        hint: `add \`--to ${one.name}=postgresql://…\``,
      });
    return [one.name, productionGround(cli, one, place)] as const;
  });
  const users = path === null ? null : await returningUsers(cli, path, storages);
  return { target, all, options, ground: groundOfEach(new Map(grounds)), strategy, users };
}

/** The order in which they come back. */
export function mostCriticalFirst(targets: readonly Target[]): Target[] {
  return targets.toSorted((a, b) => rankOf(a.entry) - rankOf(b.entry));
}

const ORDER = ["critical", "high", "medium", "low"];

/** Of one that no strategy names nothing is known. */
function rankOf(entry: StrategyDatabase | null): number {
  return entry === null ? ORDER.length : ORDER.indexOf(entry.criticality);
}

function placesNamed(to: readonly string[], targets: readonly Target[]): Map<string, string> {
  const places = new Map<string, string>();
  const names = targets.map(({ name }) => name);
  for (const text of to) {
    // A name may have an equals sign, and so may what follows it.
    const name = names.filter((one) => text.startsWith(`${one}=`)).toSorted((a, b) => b.length - a.length)[0];
    if (name === undefined || places.has(name))
      throw new AppError(
        "usage",
        name === undefined
          ? "recover everything-lost: a `--to` names none of the databases"
          : `recover everything-lost: there are two \`--to\` for ${name}`,
        { hint: `write \`--to NAME=postgresql://…\`; NAME is one of ${names.join(", ")}` },
      );
    places.set(name, text.slice(name.length + 1));
  }
  return places;
}

interface Everything {
  readonly targets: readonly Target[];
  /** Of a machine that has none. */
  readonly strategy: KeptStrategy | null;
  /** Where the strategy is, or will be; null: there will be none. */
  readonly path: string | null;
  readonly storages: readonly (() => Storage)[];
}

async function everything(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<Everything> {
  const own = await loadCliStrategy(cli, options);
  const { repository } = options;
  const named = repository?.map((place) => () => openNamedPlace(cli, place, options));
  if (own !== null) {
    const storages = own.repositories.map(
      ({ name }) =>
        () =>
          openStrategyPlace(cli, own, name, {}),
    );
    const targets = await resolveTargets(cli, names, options);
    return { targets, strategy: null, path: own.path, storages: named ?? storages };
  }
  if (repository === undefined || named === undefined)
    throw new AppError(
      "usage",
      "recover everything-lost: there is no strategy here, and no repository is named",
      {
        hint: "on a machine that has nothing, type the line of the recovery kit: `--repository PLACE --identity FILE --to NAME=postgresql://…`",
      },
    );
  const kept = await findKept(cli, repository, options);
  if (kept === undefined)
    return {
      targets: await withoutStrategy(cli, names, options),
      strategy: null,
      path: null,
      storages: named,
    };
  const { place, ...strategy } = kept;
  try {
    const read = parseStrategy(cli.runtime, strategy.text, strategy.path);
    const entries =
      names.length === 0 ? read.databases : [...new Set(names)].map((name) => findDatabase(read, name));
    cli.output.note(`the strategy is the one that ${place} keeps`);
    const targets = entries.map((entry) => strategyTarget(cli, read, entry, options));
    return { targets, strategy, path: strategy.path, storages: named };
  } catch (error) {
    throw inOperation(`read the strategy that ${place} keeps`, error);
  }
}

/** Of several places the first that keeps one. */
async function findKept(
  cli: Cli,
  places: readonly string[],
  options: PlaceOptions,
): Promise<(KeptStrategy & { readonly place: string }) | undefined> {
  for (const location of places) {
    const storage = openNamedPlace(cli, location, options);
    const repository = await openRepository(cli.runtime, storage, cli.signal);
    const text = await readKeptStrategy(repository, cli.signal);
    if (text !== undefined) return { text, path: join(cli.cwd, "handled.yaml"), place: storage.place };
  }
  return undefined;
}

async function withoutStrategy(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<Target[]> {
  const storages = (options.repository ?? []).map((place) => openNamedPlace(cli, place, options));
  const found = await databasesIn(cli, storages);
  const places = storages.map(({ place }) => place).join(", ");
  const missing = names.find((name) => !found.includes(name));
  if (missing !== undefined)
    throw new AppError("backup_missing", `recover ${missing}: ${places} has nothing of it`, {
      hint: `it has ${found.join(", ") || "no database"}`,
    });
  const wanted = names.length === 0 ? found : [...new Set(names)];
  cli.output.note(`no strategy is kept in ${places}: ${wanted.join(", ")} are all that is known`);
  const targets: Target[] = [];
  for (const name of wanted) targets.push(await resolveTarget(cli, name, options));
  return targets;
}
