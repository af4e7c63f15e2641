import { Alert, Button, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { Link } from "react-router";
import type { Job } from "../../api/jobs.ts";
import { planQuery } from "../../api/plans.ts";
import { Refused } from "../../api/request.ts";
import { Moment } from "../moment.tsx";

/** After a restore in place of the live database: whether that was replaced, and what puts it back. Nothing while it goes on. */
export function WayBack({ job }: { readonly job: Job }): ReactElement | null {
  const { kind, database, options, state, startedAt } = job;
  if (kind !== "restore" || options["to"] !== "swap" || database === null || state === "running") return null;
  if (state !== "done" && state !== "degraded") return <Asked database={database} since={startedAt} />;
  return (
    <Kept database={database}>
      The database that was replaced is kept, and can be put back in its place: now, or later.
    </Kept>
  );
}

/** It did not end well: before the one step that replaces the live database, or after it. The server knows. */
function Asked({ database, since }: { readonly database: string; readonly since: string }): ReactElement {
  const { data, error } = useQuery(planQuery({ kind: "undo-restore", database }, true));
  if (data !== undefined) {
    const { swappedAt } = data.result as { readonly swappedAt: string };
    return Date.parse(swappedAt) < Date.parse(since) ? (
      <Untouched />
    ) : (
      <Kept database={database}>
        It had replaced the live database before that, at <Moment at={swappedAt} exact />. The one that was
        replaced is kept, and can be put back in its place.
      </Kept>
    );
  }
  if (error === null)
    return (
      <Text size="sm" role="status">
        Whether it has replaced the live database, the server is asked …
      </Text>
    );
  // The server keeps none.
  if (error instanceof Refused && error.code === "backup_missing") return <Untouched />;
  return (
    <Alert color="orange" title="Whether the live database was replaced is not known">
      <Text size="sm" className="wrap">
        {error.message}
      </Text>
    </Alert>
  );
}

function Untouched(): ReactElement {
  return (
    <Alert color="blue" title="The live database was not replaced">
      <Text size="sm">
        It is as it was: there is nothing to undo. What was begun beside it the next restore removes.
      </Text>
    </Alert>
  );
}

function Kept({
  database,
  children,
}: {
  readonly database: string;
  readonly children: ReactNode;
}): ReactElement {
  return (
    <Alert color="blue" title="The way back">
      <Stack align="flex-start">
        <Text size="sm">{children}</Text>
        <Button
          variant="default"
          component={Link}
          to={`/databases/${encodeURIComponent(database)}/restore?way=undo`}
        >
          Undo …
        </Button>
      </Stack>
    </Alert>
  );
}
