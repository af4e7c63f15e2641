import type { Outputs, Plan } from "./plan.ts";

/**
 * What a plan's first steps find as of now, as far as those only look: a dry run shows it with the plan. Warns of what any step
 * foretells. Fails as they do.
 */
export async function foresee({ steps }: Plan, signal: AbortSignal): Promise<Outputs> {
  for (const { foretell } of steps) await foretell?.(signal);
  let outputs: Outputs = {};
  for (const step of steps) {
    if (step.isLook !== true) break;
    outputs = { ...outputs, ...(await step.run(outputs, signal)) };
  }
  return outputs;
}
