import { Card, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import type { Job } from "../../api/jobs.ts";
import { ResultFacts } from "../result-facts.tsx";

/** What came of a job that has ended well: the backup that it is about, or what its command printed. */
export function JobResult({
  job: { kind, database, state },
  result,
}: {
  readonly job: Pick<Job, "kind" | "database" | "state">;
  readonly result: unknown;
}): ReactElement | null {
  if (state !== "done" && state !== "degraded") return null;
  if (kind === "backup" || kind === "verify") {
    const id = idIn(result);
    if (id === undefined || database === null) return null;
    return (
      <Text size="sm">
        Backup{" "}
        <Link to={`/databases/${encodeURIComponent(database)}/backups/${encodeURIComponent(id)}`}>{id}</Link>
      </Text>
    );
  }
  // What the others do their logs say, and their own pages show.
  if (!["restore", "undo-restore", "missing-rows"].includes(kind)) return null;
  return (
    <Card withBorder>
      <ResultFacts result={result} />
    </Card>
  );
}

function idIn(result: unknown): string | undefined {
  if (typeof result !== "object" || result === null) return undefined;
  const { id } = result as { readonly id?: unknown };
  return typeof id === "string" ? id : undefined;
}
