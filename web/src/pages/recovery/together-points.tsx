import { Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import type { RecoveryPlan } from "../../../../src/api/contract/jobs.ts";
import { formatDuration } from "../../../../src/lib/text.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Moment } from "../../parts/moment.tsx";

interface Point {
  readonly database: string;
  readonly at: string;
  readonly from: string;
  readonly distance: string;
}

const COLUMNS: readonly Column<Point>[] = [
  { title: "Database", cell: ({ database }) => database },
  { title: "Comes back as of", cell: ({ at }) => <Moment at={at} exact /> },
  { title: "From that moment", figure: true, cell: ({ distance }) => distance },
  { title: "Made from", cell: ({ from }) => from },
];

/** Of several that come back to one moment: what is nearest to it of each, and how far apart that is. */
export function TogetherPoints({
  plan: { databases, aim, outputs },
}: {
  readonly plan: RecoveryPlan;
}): ReactElement | null {
  const wanted = Date.parse(aim["at"] ?? "");
  const points = databases.flatMap((database) => {
    const at = outputs[`${database}.snapshotAt`];
    if (typeof at !== "string") return [];
    const isOwn = outputs[`${database}.source`] === "backup";
    const from = isOwn ? String(outputs[`${database}.backup`]) : "the managed service: a new cluster";
    return [{ database, at, from, distance: distanceOf(Date.parse(at) - wanted) }];
  });
  const skew = outputs["skewMs"];
  if (points.length === 0) return null;
  return (
    <Stack gap="xs">
      <DataTable
        label="What each comes back to"
        rows={points}
        columns={COLUMNS}
        keyOf={({ database }) => database}
      />
      {typeof skew === "number" ? (
        <Text fw={600}>
          {skew === 0 ? "Their data is of the same moment." : `Their data is ${formatDuration(skew)} apart.`}
        </Text>
      ) : null}
    </Stack>
  );
}

function distanceOf(ms: number): string {
  if (ms === 0) return "exactly";
  return `${formatDuration(Math.abs(ms))} ${ms < 0 ? "before" : "after"}`;
}
