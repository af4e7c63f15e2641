import { isAppError } from "../errors.ts";
import type { Outputs, Plan } from "../recovery/plan.ts";
import { describeTarget } from "../recovery/subject.ts";
import type { Target } from "./targets.ts";

/**
 * What is left to a person where databases came back at another address than the strategy has: the next backup would be of what was
 * lost. One line for each.
 */
export async function movedDatabases(
  plan: Pick<Plan, "scenario" | "aim">,
  outputs: Outputs,
  targets: readonly Target[],
): Promise<string[]> {
  const lines: string[] = [];
  for (const target of targets) {
    if (target.entry === null) continue;
    const now = placeOf(plan, outputs, target.name);
    const before = await strategyPlace(target);
    if (now === null || now === before) continue;
    const leads = before === null ? "cannot be read here" : `leads to ${before}`;
    lines.push(
      `next: the strategy's \`url\` of ${target.name} ${leads}: let it lead to ${now}, and take a backup: \`handled backup ${target.name}\``,
    );
  }
  return lines;
}

/** Where a database is now; null where it is where it was. */
function placeOf(
  { scenario, aim }: Pick<Plan, "scenario" | "aim">,
  outputs: Outputs,
  database: string,
): string | null {
  switch (scenario) {
    case "server-lost":
      return aim["target"] ?? null;
    case "everything-lost":
      return aim[database] ?? null;
    case "provider-down":
      return outputs["fork"] === undefined
        ? "where it was restored"
        : `${String(outputs["fork"])}, and \`cluster\` name that`;
    case "data-deleted":
    case "together":
      return null;
  }
}

/** Null where the strategy's variables are not there, on a new machine for one. */
async function strategyPlace(target: Target): Promise<string | null> {
  try {
    return describeTarget(await target.connection());
  } catch (error) {
    if (isAppError(error)) return null;
    throw error;
  }
}
