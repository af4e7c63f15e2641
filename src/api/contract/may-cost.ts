import type { JobRequest } from "./jobs.ts";

type DrillOptions = Extract<JobRequest, { readonly kind: "drill" }>["options"];

/** Whether a drill may have the managed service make a cluster, which costs money, without the strategy saying so. */
export function mayMakeCluster({
  scenario,
  from,
  at,
  entry,
}: Pick<DrillOptions, "scenario" | "from" | "at" | "entry">): boolean {
  if (from !== undefined || entry !== undefined) return from === "provider";
  return scenario === "provider-down" || at !== undefined;
}
