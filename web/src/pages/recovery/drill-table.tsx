import { Badge, Table, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";
import { Ago } from "../../parts/moment.tsx";

export type Drill = Answer<"recoveries">["databases"][number]["drills"][number];

/** Each once, newest first: one of several databases is recorded with each. */
export function oneEach(drills: readonly Drill[]): readonly Drill[] {
  return [...new Map(drills.map((drill) => [drill.id, drill])).values()].toSorted((a, b) =>
    b.startedAt.localeCompare(a.startedAt),
  );
}

export function DrillTable({ drills }: { readonly drills: readonly Drill[] }): ReactElement {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>Disaster</Table.Th>
            <Table.Th>Outcome</Table.Th>
            <Table.Th>Took</Table.Th>
            <Table.Th>Budget</Table.Th>
            <Table.Th>Data lost</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {drills.map((drill) => (
            <Table.Tr key={drill.id}>
              <Table.Td className="nowrap">
                <Ago at={drill.startedAt} />
              </Table.Td>
              <Table.Td>
                <Text size="sm" fw={600}>
                  {drill.scenario} · {drill.databases.join(", ")}
                </Text>
                <Text size="xs" className="quiet wrap">
                  {drill.kind === "drill" ? "drill" : "for real"}
                  {drill.from === null ? "" : `, from ${drill.from}`}
                  {drill.notes.map((note) => ` · ${note}`)}
                </Text>
                {drill.error === null ? null : (
                  <Text size="xs" c="red" className="wrap">
                    {drill.error.message}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                <Badge
                  color={drill.outcome === "done" ? "green" : drill.outcome === null ? "blue" : "red"}
                  autoContrast
                >
                  {drill.outcome ?? "running"}
                </Badge>
              </Table.Td>
              <Table.Td>{drill.rtoMs === null ? "" : formatDuration(drill.rtoMs)}</Table.Td>
              <Table.Td>{formatDuration(drill.budgetMs)}</Table.Td>
              <Table.Td>{drill.dataLostMs === null ? "" : formatDuration(drill.dataLostMs)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
