import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useParams } from "react-router";
import { jobQuery } from "../../api/jobs.ts";
import { JobView } from "../../parts/job/job-view.tsx";
import { PageTitle } from "../../parts/page-title.tsx";

/** One job, at an address of its own: whoever comes back finds it. */
export function JobPage(): ReactElement {
  const { id = "" } = useParams();
  const { data } = useQuery(jobQuery(id));
  return (
    <>
      <PageTitle
        title={
          data === undefined ? "Job" : [data.kind, data.database].filter((word) => word !== null).join(" ")
        }
      />
      <JobView id={id} />
    </>
  );
}
