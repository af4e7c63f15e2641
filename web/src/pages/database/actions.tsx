import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useNavigate } from "react-router";
import { jobsQuery, useStartJob } from "../../api/jobs.ts";
import { sessionQuery } from "../../api/session.ts";

/** What can be done with a database at once, or with one of its backups: it is shown while it goes on. */
export function Actions({
  database,
  backup,
}: {
  readonly database: string;
  /** Undefined: with the newest, or a new one. */
  readonly backup?: string;
}): ReactElement | null {
  const { data: session } = useQuery(sessionQuery());
  const { data: running } = useQuery(jobsQuery({ database, state: "running" }));
  const start = useStartJob();
  const navigate = useNavigate();
  if (session?.user == null || session.user.role === "viewer") return null;
  const busy = running?.jobs[0];
  if (busy !== undefined) {
    return (
      <Button variant="default" onClick={() => void navigate(`/jobs/${busy.id}`)}>
        {busy.kind} is running …
      </Button>
    );
  }
  const begin = (kind: "backup" | "verify") => () =>
    start.mutate(
      kind === "backup" || backup === undefined
        ? { kind, database }
        : { kind, database, options: { backup } },
      { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) },
    );
  const restore = `/databases/${encodeURIComponent(database)}/restore`;
  return (
    <>
      {start.error === null ? null : (
        <Text size="sm" role="alert" className="wrap">
          {start.error.message}
        </Text>
      )}
      {backup === undefined ? (
        <Button onClick={begin("backup")} loading={start.isPending}>
          Back up now
        </Button>
      ) : null}
      <Button variant="default" onClick={begin("verify")} disabled={start.isPending}>
        {backup === undefined ? "Verify the newest" : "Verify it"}
      </Button>
      {session.user.role === "admin" ? (
        <Button
          variant="default"
          onClick={() =>
            void navigate(backup === undefined ? restore : `${restore}?${new URLSearchParams({ backup })}`)
          }
        >
          {backup === undefined ? "Restore …" : "Restore it …"}
        </Button>
      ) : null}
    </>
  );
}
