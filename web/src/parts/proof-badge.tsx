import { Badge, Tooltip } from "@mantine/core";
import type { ReactElement } from "react";
import type { Answer } from "../api/queries.ts";
import { utc } from "./moment.tsx";

type Proof = Answer<"backups">["databases"][number]["backups"][number]["proof"];

/** Whether a backup was shown to come back, and how far that was looked at. */
export function ProofBadge({ proof }: { readonly proof: Proof }): ReactElement {
  if (proof === null) {
    return (
      <Badge variant="default" size="sm">
        not proven
      </Badge>
    );
  }
  const { outcome, level, proven, at, problem } = proof;
  return (
    <Tooltip
      label={problem ?? `${proven ?? level}, ${utc(at)}`}
      multiline
      maw={360}
      events={{ hover: true, focus: true, touch: true }}
    >
      <Badge color={outcome === "proven" ? "green" : "red"} autoContrast size="sm" tabIndex={0}>
        {outcome === "proven" ? `proven: ${proven ?? level}` : "failed"}
      </Badge>
    </Tooltip>
  );
}
