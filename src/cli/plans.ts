import { AppError } from "../errors.ts";
import { estimatesOf, fasterOf } from "../recovery/estimates.ts";
import type { Ground } from "../recovery/ground.ts";
import type { Plan, Scenario } from "../recovery/plan.ts";
import { type LostDatabase, planEverythingLost } from "../recovery/scenarios/everything-lost.ts";
import { planServerLost } from "../recovery/scenarios/server-lost.ts";
import type { KeptStrategy, ReturningUsers } from "../recovery/steps/everything.ts";
import type { Cli } from "./cli.ts";
import { planOfDataDeleted } from "./plan-data-deleted.ts";
import { planOfProviderDown } from "./plan-provider-down.ts";
import { subjectOf } from "./subject-of.ts";
import type { PlaceOptions, Target } from "./targets.ts";

/** What a user may say of a recovery. */
export interface PlanOptions extends PlaceOptions {
  readonly to?: string;
  readonly backup?: string;
  readonly jobs?: number;
  readonly table?: string[];
  readonly where?: string;
  readonly at?: Date;
  readonly whole?: true;
  readonly newDatabase?: string;
  readonly despiteAssertions?: true;
  /** What a database is made from; undefined: the scenario chooses. */
  readonly from?: "provider" | "backup" | "rebuild";
}

/** What is to be recovered, from what, and where. */
export interface PlanRequest {
  readonly target: Target;
  readonly options: PlanOptions;
  readonly ground: Ground;
  /** The aim of a recovery that was begun and is to go on: what it chose stays. */
  readonly begun?: Plan["aim"] | undefined;
  /** All that is lost, where that is more than the first; the most critical first. */
  readonly all?: readonly Target[];
  /** Of a machine that has none. */
  readonly strategy?: KeptStrategy | null;
  /** Of the dashboard, of a machine that has none. */
  readonly users?: ReturningUsers | null;
}

type Planner = (cli: Cli, request: PlanRequest) => Promise<Plan>;

const PLANNERS: Partial<Record<Scenario, Planner>> = {
  "server-lost": async (cli, { target, options, ground, begun }) => {
    const subject = subjectOf(target, options);
    const estimates = await estimatesOf(cli.runtime, subject, cli.signal);
    const asked = options.from ?? (options.backup === undefined ? undefined : "backup");
    const chosen =
      begun === undefined ? fasterOf(estimates) : begun["from"] === "rebuild" ? "rebuild" : "backup";
    return planServerLost(cli.runtime, {
      subject,
      target: await ground.target(subject),
      application: ground.application(subject),
      backup: options.backup,
      from: asked === "rebuild" || asked === "backup" ? asked : chosen,
      estimates: Object.values(estimates).flatMap((estimate) => estimate ?? []),
      isDrill: ground.isDrill,
    });
  },
  "everything-lost": async (
    cli,
    { target, all = [target], options, ground, strategy = null, users = null },
  ) => {
    const databases: LostDatabase[] = [];
    for (const subject of all.map((one) => subjectOf(one, options)))
      databases.push({
        subject,
        target: await ground.target(subject),
        application: ground.application(subject),
      });
    return planEverythingLost(cli.runtime, { databases, strategy, users, isDrill: ground.isDrill });
  },
  "data-deleted": planOfDataDeleted,
  "provider-down": planOfProviderDown,
};

/** What a database can be made from, where there is a choice. */
const SOURCES: Partial<Record<Scenario, readonly PlanOptions["from"][]>> = {
  "server-lost": ["backup", "rebuild"],
  "provider-down": ["provider", "backup"],
  "data-deleted": ["provider", "backup"],
};

/** The plan of a scenario, the same for a recovery and for a drill of it. */
export async function planOf(cli: Cli, scenario: Scenario, request: PlanRequest): Promise<Plan> {
  const planner = PLANNERS[scenario];
  const { from } = request.options;
  if (from !== undefined && SOURCES[scenario]?.includes(from) !== true)
    throw new AppError("usage", `recover: \`--from ${from}\` is not for ${scenario}`);
  if (planner === undefined) throw new AppError("usage", `recover: there is no plan for ${scenario} yet`);
  return await planner(cli, request);
}
