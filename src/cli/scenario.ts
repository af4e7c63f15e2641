import { AppError } from "../errors.ts";
import { SCENARIOS, type Scenario } from "../recovery/plan.ts";

/** The scenario of this name. Fails with `usage`. */
export function scenarioOf(text: string, command: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario === text);
  if (found !== undefined) return found;
  throw new AppError("usage", `${command}: there is no scenario ${text}`, {
    hint: `it is one of ${SCENARIOS.join(", ")}${command === "recover" ? "; or together" : ""}`,
  });
}
