import { AppError } from "../errors.ts";
import { formatLocalTime } from "../lib/local-time.ts";
import { suffixedName } from "../operations/restore/names.ts";
import { withDatabase } from "../postgres/connection.ts";
import type { Ground } from "../recovery/ground.ts";
import type { Plan } from "../recovery/plan.ts";
import { planTogether } from "../recovery/scenarios/together.ts";
import type { RestoredBeside } from "../recovery/steps/tell-together.ts";
import type { Cli } from "./cli.ts";
import type { PlanOptions } from "./plans.ts";
import { subjectOf } from "./subject-of.ts";
import type { Target } from "./targets.ts";

/** The plan for several databases as of one moment. */
export async function planOfTogether(
  cli: Cli,
  parts: readonly { readonly target: Target; readonly ground: Ground }[],
  { at, jobs, ...others }: PlanOptions,
): Promise<Plan> {
  requireNothingElse(others);
  if (at === undefined)
    throw new AppError("usage", "recover together: nothing says as of which moment", {
      hint: "add `--at TIME`, such as 2024-12-10T14:05:00Z",
    });
  const databases: RestoredBeside[] = [];
  for (const { target, ground } of parts) {
    const subject = subjectOf(target, jobs);
    const live = await ground.live(subject);
    const name = suffixedName(subject.database, `_together_${formatLocalTime(at, target.timeZone)}`);
    databases.push({ subject, target: withDatabase(live, name) });
    if (target.entry?.provider !== undefined)
      cli.output.note(
        `${subject.database}: its service may go back to that very moment: \`handled restore ${subject.database} --provider --at ${at.toISOString()}\``,
      );
  }
  return planTogether(cli.runtime, { databases, at, isDrill: parts.some(({ ground }) => ground.isDrill) });
}

function requireNothingElse({ to, backup, table, where, whole, newDatabase, from }: PlanOptions): void {
  const given = { to, backup, table, where, whole, newDatabase, from };
  const found = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (found === undefined) return;
  const option = found.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new AppError("usage", `recover together: \`--${option}\` is not for it`, {
    hint: "each database is restored from the backup nearest to `--at`, into a new database beside the live one",
  });
}
