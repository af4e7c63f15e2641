import { AppError } from "../errors.ts";
import { formatLocalTime } from "../lib/local-time.ts";
import { suffixedName } from "../operations/restore/names.ts";
import { withDatabase } from "../postgres/connection.ts";
import type { Ground } from "../recovery/ground.ts";
import type { ManagedSource } from "../recovery/managed.ts";
import type { Plan } from "../recovery/plan.ts";
import { type Beside, planTogether } from "../recovery/scenarios/together.ts";
import { addressesInUse } from "./addresses-in-use.ts";
import type { Cli } from "./cli.ts";
import { managedOf } from "./managed-of.ts";
import type { PlanOptions } from "./plans.ts";
import { subjectOf } from "./subject-of.ts";
import type { Target } from "./targets.ts";

/** One of the databases, and where it is. */
interface Part {
  readonly target: Target;
  readonly ground: Ground;
}

/** The plan for several databases as of one moment. */
export async function planOfTogether(
  cli: Cli,
  parts: readonly Part[],
  { at, jobs, despiteAssertions, from, ...others }: PlanOptions,
): Promise<Plan> {
  requireNothingElse(others);
  if (at === undefined)
    throw new AppError("usage", "recover together: nothing says as of which moment", {
      hint: "add `--at TIME`, such as 2024-12-10T14:05:00Z",
    });
  if (at > cli.runtime.clock.now())
    throw new AppError("usage", `recover together: ${at.toISOString()} is still to come`);
  const source = sourceOf(from, parts);
  const databases: Beside[] = [];
  for (const { target, ground } of parts) {
    const subject = subjectOf(target, { jobs, despiteAssertions });
    const live = await ground.live(subject);
    const name = suffixedName(subject.database, `_together_${formatLocalTime(at, target.timeZone)}`);
    const managed = source === "backup" ? null : await managedOf(cli, target, false);
    databases.push({ subject, target: withDatabase(live, name), managed });
  }
  return planTogether(cli.runtime, {
    databases,
    at,
    from: source,
    inUse: async (signal) => await addressesInUse(cli, "recover together", signal),
    isDrill: parts.some(({ ground }) => ground.isDrill),
  });
}

function sourceOf(from: PlanOptions["from"], parts: readonly Part[]): ManagedSource {
  if (from === "rebuild")
    throw new AppError("usage", "recover together: `--from rebuild` is not for it", {
      hint: "what is rebuilt from its sources is as of no moment",
    });
  if (from === "provider" && parts.every(({ target }) => target.entry?.provider === undefined))
    throw new AppError(
      "usage",
      "recover together: `--from provider`, and none of them is in a managed service",
      {
        hint: "without it each is restored from the nearest backup",
      },
    );
  return from;
}

function requireNothingElse({ to, backup, table, where, whole, newDatabase }: PlanOptions): void {
  const given = { to, backup, table, where, whole, newDatabase };
  const found = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (found === undefined) return;
  const option = found.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new AppError("usage", `recover together: \`--${option}\` is not for it`, {
    hint: "each database is restored as of what is nearest to `--at`, beside the live one",
  });
}
