import type { Outputs, Plan } from "./plan.ts";

/** What a plan's first steps find as of now, as far as those only look: a dry run shows it with the plan. Fails as they do. */
export async function foresee({ steps }: Plan, signal: AbortSignal): Promise<Outputs> {
  let outputs: Outputs = {};
  for (const step of steps) {
    if (step.isLook !== true) break;
    outputs = { ...outputs, ...(await step.run(outputs, signal)) };
  }
  return outputs;
}
