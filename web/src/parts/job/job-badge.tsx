import { Badge } from "@mantine/core";
import type { ReactElement } from "react";
import type { Job } from "../../api/jobs.ts";

const COLORS = {
  running: "blue",
  done: "green",
  degraded: "orange",
  failed: "red",
  interrupted: "orange",
  ended: "blue",
} as const satisfies Record<Job["state"] | "ended", string>;

/** How a job or a run is, or how it ended; `ended`: nobody knows how. */
export function JobBadge({ state }: { readonly state: keyof typeof COLORS }): ReactElement {
  return (
    <Badge color={COLORS[state]} autoContrast>
      {state}
    </Badge>
  );
}
