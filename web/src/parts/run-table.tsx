import { Badge, Table, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { formatDuration } from "../../../src/lib/text.ts";
import type { Answer } from "../api/queries.ts";
import { Ago } from "./moment.tsx";

export type Run = Answer<"runs">["databases"][number]["runs"][number] & { readonly database: string };

const COLORS: Readonly<Record<string, string>> = {
  done: "green",
  degraded: "orange",
  failed: "red",
  interrupted: "orange",
};

/** Runs, newest first. */
export function RunTable({ runs }: { readonly runs: readonly Run[] }): ReactElement {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>When</Table.Th>
            <Table.Th>What</Table.Th>
            <Table.Th>Outcome</Table.Th>
            <Table.Th>Took</Table.Th>
            <Table.Th>What came of it</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {runs.map((run) => (
            <Table.Tr key={`${run.database} ${run.id}`}>
              <Table.Td className="nowrap">
                <Ago at={run.startedAt} />
              </Table.Td>
              <Table.Td>
                <Text size="sm" fw={600}>
                  {run.operation} {run.database}
                </Text>
                <Text size="xs" className="quiet">
                  {run.entry === null ? `by ${run.user} on ${run.host}` : `entry ${run.entry}`}
                </Text>
              </Table.Td>
              <Table.Td>
                <Badge color={COLORS[run.outcome ?? ""] ?? "blue"} autoContrast>
                  {run.outcome ?? (run.finishedAt === null ? "running" : "ended")}
                </Badge>
              </Table.Td>
              <Table.Td className="nowrap">
                {run.durationMs === null ? "" : formatDuration(run.durationMs)}
              </Table.Td>
              <Table.Td className="wrap">
                <Text size="sm" component="div">
                  {run.error === null ? run.summary : run.error.message}{" "}
                  {run.backup === null ? null : (
                    <Link to={`/databases/${encodeURIComponent(run.database)}/backups/${run.backup}`}>
                      {run.backup}
                    </Link>
                  )}
                </Text>
                {run.error?.hint == null ? null : (
                  <Text size="xs" className="quiet">
                    {run.error.hint}
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
