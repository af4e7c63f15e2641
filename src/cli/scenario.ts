import { AppError } from "../errors.ts";
import { SCENARIOS, type Scenario } from "../recovery/plan.ts";

/** The scenario of this name. Fails with `usage`. */
export function scenarioOf(text: string | undefined, command: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario === text);
  if (found !== undefined) return found;
  if (text === undefined)
    throw new AppError("usage", `${command}: nothing says what happened`, {
      hint: `\`handled ${command} SCENARIO --dry-run\` shows the plan: server-lost (the server with a database is gone), data-deleted (rows or tables were deleted), provider-down (the managed service with it is down), everything-lost (all machines are gone)`,
    });
  throw new AppError("usage", `${command}: there is no scenario ${text}`, {
    hint: `it is one of ${SCENARIOS.join(", ")}${command === "recover" ? "; or together" : ""}`,
  });
}
