import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useNavigate } from "react-router";
import { jobsQuery, useStartJob } from "../../api/jobs.ts";
import { sessionQuery } from "../../api/session.ts";

/** What can be done with a database at once: it is shown while it goes on. */
export function Actions({ database }: { readonly database: string }): ReactElement | null {
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
    start.mutate({ kind, database }, { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) });
  return (
    <>
      {start.error === null ? null : (
        <Text size="sm" role="alert" className="wrap">
          {start.error.message}
        </Text>
      )}
      <Button onClick={begin("backup")} loading={start.isPending}>
        Back up now
      </Button>
      <Button variant="default" onClick={begin("verify")} disabled={start.isPending}>
        Verify the newest
      </Button>
      {session.user.role === "admin" ? (
        <Button
          variant="default"
          onClick={() => void navigate(`/databases/${encodeURIComponent(database)}/restore`)}
        >
          Restore …
        </Button>
      ) : null}
    </>
  );
}
