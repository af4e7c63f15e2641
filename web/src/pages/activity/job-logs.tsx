import { Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { formatDuration } from "../../../../src/lib/text.ts";
import { type Job, jobsQuery } from "../../api/jobs.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { JobBadge } from "../../parts/job/job-badge.tsx";
import { Ago } from "../../parts/moment.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

// As many as are kept.
const MOST = 200;

const COLUMNS: readonly Column<Job>[] = [
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
    cell: ({ id, kind, database, by }) => (
      <>
        <Link to={`/jobs/${id}`}>
          {kind} {database}
        </Link>
        <Text size="xs" className="quiet">
          by {by}
        </Text>
      </>
    ),
  },
  { title: "Outcome", cell: ({ state }) => <JobBadge state={state} /> },
  {
    title: "Took",
    figure: true,
    cell: ({ durationMs }) => (durationMs === null ? "" : formatDuration(durationMs)),
  },
  { title: "Why it failed", cell: ({ error }) => error?.message ?? "" },
];

/** What this machine has done, with all that was said meanwhile. */
export function JobLogs({
  database,
  failed,
}: {
  readonly database: string | undefined;
  readonly failed: boolean;
}): ReactElement {
  const query = useQuery({
    ...jobsQuery({ last: MOST, ...(database === undefined ? {} : { database }) }),
    placeholderData: keepPreviousData,
  });
  return (
    <Answered query={query}>
      {({ jobs }) => {
        const shown = jobs.filter(({ state }) => !failed || state === "failed" || state === "interrupted");
        return shown.length === 0 ? (
          <Empty title="There is no log">
            Of what was begun by the schedule or here, the newest {MOST} are kept.
          </Empty>
        ) : (
          <DataTable label="Logs" rows={shown} columns={COLUMNS} keyOf={({ id }) => id} />
        );
      }}
    </Answered>
  );
}
