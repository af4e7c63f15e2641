import { hostname } from "node:os";
import type { Health } from "../health/health.ts";
import type { Strategy } from "../config/strategy.ts";
import { isAppError } from "../errors.ts";
import { recoveriesOf } from "../operations/recoveries.ts";
import { type Plan, SCENARIOS } from "../recovery/plan.ts";
import type { RecordedRecovery } from "../repository/recoveries.ts";
import { checklistOf } from "./checklist-of.ts";
import type { Cli } from "./cli.ts";
import { healthOf, installedIn } from "./health-of.ts";
import { planOf } from "./plans.ts";
import { productionGround } from "./production-ground.ts";
import { passingFor, type Purpose } from "./render/page/passing.ts";
import type { Page } from "./render/page/page.ts";
import { runbookPage } from "./render/runbook/runbook-page.ts";
import { resolveAllTargets } from "./repositories.ts";
import { serversOf } from "./servers-of.ts";
import { storagesOf, type Target } from "./targets.ts";

/** What to do when something is lost, as the strategy stands now. */
export async function runbookOf(cli: Cli, strategy: Strategy, printedAt: Date): Promise<Page> {
  const targets = await resolveAllTargets(cli, [], {});
  const isInstalled = await installedIn(cli, targets);
  const health = await healthOf(cli, targets, { isInstalled, connect: false });
  const pageFor = await runbookPages(cli, strategy, { targets, health, printedAt });
  return pageFor("read");
}

export interface RunbookWorld {
  readonly targets: readonly Target[];
  readonly health: Health;
  readonly printedAt: Date;
}

/** The same from what was found already; made for whatever it is wanted for. */
export async function runbookPages(
  cli: Cli,
  strategy: Strategy,
  { targets, health, printedAt }: RunbookWorld,
): Promise<(purpose: Purpose) => Page> {
  const facts = {
    strategy,
    health,
    checklist: await checklistOf(cli, strategy),
    servers: await serversOf(targets),
    plans: await plansOf(cli, targets),
    recoveries: await recoveriesOfEach(cli, targets),
    places: whereIs(targets),
    printedAt,
    host: hostname(),
  };
  return (purpose) => runbookPage({ ...facts, passing: passingFor(purpose) });
}

/** Where each repository of the strategy is that keeps a database. */
function whereIs(targets: readonly Target[]): Map<string, string> {
  const places = targets.flatMap((target) => target.places());
  return new Map(places.map((place) => [place.name, place.storage().place]));
}

/** The plans as they would be run now. One that cannot be made is not shown: the page must come all the same. */
async function plansOf(cli: Cli, targets: readonly Target[]): Promise<Map<string, Plan[]>> {
  const plans = new Map<string, Plan[]>();
  for (const target of targets) {
    const made: Plan[] = [];
    for (const scenario of SCENARIOS) {
      const options = scenario === "data-deleted" ? { table: ["SCHEMA.TABLE"] } : {};
      const ground = productionGround(cli, target, undefined);
      try {
        made.push(await planOf(cli, scenario, { target, options, ground }));
      } catch (error) {
        if (!isAppError(error) || cli.signal.aborted) throw error;
      }
    }
    plans.set(target.name, made);
  }
  return plans;
}

// Years of them; the page shows the last of each scenario.
const LAST_RECOVERIES = 64;

async function recoveriesOfEach(
  cli: Cli,
  targets: readonly Target[],
): Promise<Map<string, readonly RecordedRecovery[]>> {
  const all = new Map<string, readonly RecordedRecovery[]>();
  for (const target of targets) {
    const request = { database: target.name, storages: storagesOf(target), last: LAST_RECOVERIES };
    const { recoveries } = await recoveriesOf(cli.runtime, request, cli.signal);
    all.set(target.name, recoveries);
  }
  return all;
}
