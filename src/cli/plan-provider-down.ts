import { AppError } from "../errors.ts";
import type { Plan } from "../recovery/plan.ts";
import { planProviderDown } from "../recovery/scenarios/provider-down.ts";
import { addressesInUse } from "./addresses-in-use.ts";
import type { Cli } from "./cli.ts";
import { managedOf } from "./managed-of.ts";
import type { PlanRequest } from "./plans.ts";
import { subjectOf } from "./subject-of.ts";

/** The plan for a managed service that is down, from what a user said of it. */
export async function planOfProviderDown(cli: Cli, { target, options, ground }: PlanRequest): Promise<Plan> {
  const { at, backup, to } = options;
  const from = options.from === "rebuild" ? undefined : options.from;
  const subject = subjectOf(target, options);
  const what = `recover ${subject.database}`;
  if (from === "provider" && (to !== undefined || backup !== undefined))
    throw new AppError("usage", `${what}: \`--from provider\` leaves no use for \`--to\` and \`--backup\``, {
      hint: "without `--from`, a backup of our own is what comes after the service",
    });
  if (at !== undefined && at > cli.runtime.clock.now())
    throw new AppError("usage", `${what}: ${at.toISOString()} is still to come`);
  const hasEscape = ground.isDrill || to !== undefined;
  const managed = await managedOf(cli, target, from === "provider");
  if (!hasEscape && (managed === null || from === "backup"))
    throw new AppError("usage", `${what} from a backup of our own: nothing says where to restore it`, {
      hint: "add `--to postgresql://…/NEW_DATABASE`, on any PostgreSQL server",
    });
  return planProviderDown(cli.runtime, {
    subject,
    managed,
    from,
    at,
    backup,
    escape: hasEscape ? await ground.target(subject) : null,
    // The service gives the database another address, too.
    application: ground.application(subject, true),
    inUse: async (signal) => await addressesInUse(cli, what, signal),
    isDrill: ground.isDrill,
  });
}
