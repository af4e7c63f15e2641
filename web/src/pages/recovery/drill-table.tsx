import { Badge, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import type { Drill } from "../../parts/job/drill-result.tsx";
import { Ago } from "../../parts/moment.tsx";

/** Each once, newest first: one of several databases is recorded with each. */
export function oneEach(drills: readonly Drill[]): readonly Drill[] {
  return [...new Map(drills.map((drill) => [drill.id, drill])).values()].toSorted((a, b) =>
    b.startedAt.localeCompare(a.startedAt),
  );
}

const COLUMNS: readonly Column<Drill>[] = [
  { title: "When", cell: ({ startedAt }) => <Ago at={startedAt} /> },
  {
    title: "Disaster",
    cell: ({ scenario, databases, kind, from, notes, error }) => (
      <>
        <Text size="sm" fw={600}>
          {scenario} · {databases.join(", ")}
        </Text>
        <Text size="xs" className="quiet">
          {kind === "drill" ? "drill" : "for real"}
          {from === null ? "" : `, from ${from}`}
          {notes.map((note) => ` · ${note}`)}
        </Text>
        {error === null ? null : <Text size="xs">{error.message}</Text>}
      </>
    ),
  },
  {
    title: "Outcome",
    cell: ({ outcome }) => (
      <Badge color={outcome === "done" ? "green" : outcome === null ? "blue" : "red"} autoContrast>
        {outcome ?? "running"}
      </Badge>
    ),
  },
  { title: "Took", figure: true, cell: ({ rtoMs }) => (rtoMs === null ? "" : formatDuration(rtoMs)) },
  { title: "Budget", figure: true, cell: ({ budgetMs }) => formatDuration(budgetMs) },
  {
    title: "Data lost",
    figure: true,
    cell: ({ dataLostMs }) => (dataLostMs === null ? "" : formatDuration(dataLostMs)),
  },
];

export function DrillTable({ drills }: { readonly drills: readonly Drill[] }): ReactElement {
  return <DataTable label="Drills and recoveries" rows={drills} columns={COLUMNS} keyOf={({ id }) => id} />;
}
