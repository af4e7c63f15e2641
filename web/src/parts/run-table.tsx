import { Text } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { formatDuration } from "../../../src/lib/text.ts";
import type { Answer } from "../api/queries.ts";
import { JobBadge } from "./job/job-badge.tsx";
import { type Column, DataTable } from "./data-table.tsx";
import { Ago } from "./moment.tsx";

export type Run = Answer<"runs">["databases"][number]["runs"][number] & { readonly database: string };

const COLUMNS: readonly Column<Run>[] = [
  {
    title: "When",
    cell: ({ startedAt }) => (
      <Text size="sm" className="nowrap">
        <Ago at={startedAt} />
      </Text>
    ),
  },
  {
    title: "What",
    cell: ({ operation, database, entry, user, host }) => (
      <>
        <Text size="sm" fw={600}>
          {operation} {database}
        </Text>
        <Text size="xs" className="quiet">
          {entry === null ? `by ${user} on ${host}` : `entry ${entry}`}
        </Text>
      </>
    ),
  },
  {
    title: "Outcome",
    cell: ({ outcome, finishedAt }) => (
      <JobBadge state={outcome ?? (finishedAt === null ? "running" : "ended")} />
    ),
  },
  {
    title: "Took",
    figure: true,
    cell: ({ durationMs }) => (durationMs === null ? "" : formatDuration(durationMs)),
  },
  {
    title: "What came of it",
    cell: ({ database, backup, summary, error }) => (
      <>
        <Text size="sm" component="div">
          {error === null ? summary : error.message}{" "}
          {backup === null ? null : (
            <Link to={`/databases/${encodeURIComponent(database)}/backups/${backup}`}>{backup}</Link>
          )}
        </Text>
        {error?.hint == null ? null : (
          <Text size="xs" className="quiet">
            {error.hint}
          </Text>
        )}
      </>
    ),
  },
];

/** Runs, newest first. */
export function RunTable({ runs }: { readonly runs: readonly Run[] }): ReactElement {
  return (
    <DataTable label="Runs" rows={runs} columns={COLUMNS} keyOf={({ database, id }) => `${database} ${id}`} />
  );
}
