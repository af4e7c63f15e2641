import { AppError } from "../errors.ts";
import { estimatesOf, fasterOf } from "../recovery/estimates.ts";
import type { Ground } from "../recovery/ground.ts";
import type { Plan, Scenario } from "../recovery/plan.ts";
import { planServerLost } from "../recovery/scenarios/server-lost.ts";
import type { Cli } from "./cli.ts";
import { planOfDataDeleted } from "./plan-data-deleted.ts";
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
  /** What a database is made from; undefined: whatever is faster. */
  readonly from?: "backup" | "rebuild";
}

/** What is to be recovered, from what, and where. */
export interface PlanRequest {
  readonly target: Target;
  readonly options: PlanOptions;
  readonly ground: Ground;
  /** The aim of a recovery that was begun and is to go on: what it chose stays. */
  readonly begun?: Plan["aim"] | undefined;
}

type Planner = (cli: Cli, request: PlanRequest) => Promise<Plan>;

const PLANNERS: Partial<Record<Scenario, Planner>> = {
  "server-lost": async (cli, { target, options, ground, begun }) => {
    const subject = subjectOf(target, options.jobs);
    const estimates = await estimatesOf(cli.runtime, subject, cli.signal);
    const asked = options.from ?? (options.backup === undefined ? undefined : "backup");
    const chosen =
      begun === undefined ? fasterOf(estimates) : begun["from"] === "rebuild" ? "rebuild" : "backup";
    return planServerLost(cli.runtime, {
      subject,
      target: await ground.target(subject),
      application: ground.application(subject),
      backup: options.backup,
      from: asked ?? chosen,
      estimates: Object.values(estimates).flatMap((estimate) => estimate ?? []),
      isDrill: ground.isDrill,
    });
  },
  "data-deleted": planOfDataDeleted,
};

/** The plan of a scenario, the same for a recovery and for a drill of it. */
export async function planOf(cli: Cli, scenario: Scenario, request: PlanRequest): Promise<Plan> {
  const planner = PLANNERS[scenario];
  if (planner === undefined) throw new AppError("usage", `recover: there is no plan for ${scenario} yet`);
  return await planner(cli, request);
}
