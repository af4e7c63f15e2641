import { Anchor, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { type Job, jobsQuery } from "../../api/jobs.ts";
import { Ago } from "../moment.tsx";

/** What runs now, asked by people or by the schedule; of one database, or of all. Nothing where nothing does. */
export function RunningJobs({ database }: { readonly database?: string }): ReactElement | null {
  const { data } = useQuery(jobsQuery({ state: "running" }));
  const jobs = data?.jobs.filter((job) => database === undefined || job.database === database) ?? [];
  if (jobs.length === 0) return null;
  return (
    <Stack gap="xs" component="ul" className="list" aria-label="What runs now">
      {jobs.map((job) => (
        <li key={job.id}>
          <OneRunning job={job} named={database === undefined} />
        </li>
      ))}
    </Stack>
  );
}

function OneRunning({ job, named }: { readonly job: Job; readonly named: boolean }): ReactElement {
  const { id, kind, database, options, by, startedAt, progress } = job;
  const entry = typeof options["entry"] === "string" ? options["entry"] : null;
  const what = [kind, named ? database : null, entry].filter((word) => word !== null).join(" ");
  const share = progress?.share ?? null;
  return (
    <>
      <Text size="sm" className="wrap" component="div">
        <Anchor component={Link} to={`/jobs/${id}`} fw={600} size="sm">
          {what}
        </Anchor>{" "}
        is running, by {by}, begun <Ago at={startedAt} />
      </Text>
      <Progress
        value={share === null ? 100 : share * 100}
        animated={share === null}
        striped={share === null}
        size="sm"
        mt={2}
        aria-label={progress?.message ?? `${what} is running`}
      />
      {progress === null ? null : (
        <Text size="xs" className="quiet wrap">
          {progress.message}
        </Text>
      )}
    </>
  );
}
