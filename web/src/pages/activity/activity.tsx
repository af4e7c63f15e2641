import { Anchor, Button, Group, SegmentedControl, Select, Stack, Switch } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Link, useSearchParams } from "react-router";
import { mayAs } from "../../../../src/access/roles.ts";
import { overviewQuery, runsQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { RunningJobs } from "../../parts/job/running-jobs.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { RunTable } from "../../parts/run-table.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { JobLogs } from "./job-logs.tsx";

const PAGE = 50;
const MOST = 1000;

/** What ran, and what came of it. What is chosen stands in the address, so that it can be sent to somebody. */
export function Activity(): ReactElement {
  const [chosen, choose] = useSearchParams();
  const database = chosen.get("database") ?? undefined;
  const failed = chosen.get("failed") === "true";
  const logs = chosen.get("show") === "logs";
  const last = Math.min(MOST, Number(chosen.get("last")) || PAGE);
  const databases = useQuery(overviewQuery());
  const { data: session } = useQuery(sessionQuery());
  const set = (name: string, value: string | null): void =>
    choose((before) => {
      const after = new URLSearchParams(before);
      if (value === null) after.delete(name);
      else after.set(name, value);
      return after;
    });
  return (
    <>
      <PageTitle title="Activity">
        {mayAs(session?.user?.role ?? "viewer", "admin") ? (
          <Anchor component={Link} to="/settings/audit" size="sm">
            Audit log
          </Anchor>
        ) : null}
      </PageTitle>
      <Group mb="md" align="flex-end">
        <SegmentedControl
          data={[
            { value: "runs", label: "Runs" },
            { value: "logs", label: "Logs" },
          ]}
          value={logs ? "logs" : "runs"}
          onChange={(value) => set("show", value === "logs" ? value : null)}
          aria-label="What is shown"
        />
        <Select
          label="Database"
          placeholder="all"
          clearable
          data={databases.data?.databases.map((one) => one.database) ?? []}
          value={database ?? null}
          onChange={(value) => set("database", value)}
        />
        <Switch
          label="Only what failed"
          checked={failed}
          onChange={({ currentTarget }) => set("failed", currentTarget.checked ? "true" : null)}
          mb={8}
        />
      </Group>
      <RunningJobs {...(database === undefined ? {} : { database })} />
      {logs ? (
        <JobLogs database={database} failed={failed} />
      ) : (
        <Runs
          database={database}
          failed={failed}
          last={last}
          showMore={() => set("last", String(Math.min(MOST, last + PAGE)))}
        />
      )}
    </>
  );
}

function Runs({
  database,
  failed,
  last,
  showMore,
}: {
  readonly database: string | undefined;
  readonly failed: boolean;
  readonly last: number;
  readonly showMore: () => void;
}): ReactElement {
  const query = useQuery({
    ...runsQuery({
      last,
      ...(database === undefined ? {} : { database }),
      ...(failed ? { failed: "true" as const } : {}),
    }),
    placeholderData: keepPreviousData,
  });
  return (
    <Answered query={query}>
      {(answer) => {
        const runs = answer.databases
          .flatMap((of) => of.runs.map((run) => ({ ...run, database: of.database })))
          .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
        if (runs.length === 0) {
          return failed ? (
            <Empty title="Nothing failed">As far back as is remembered.</Empty>
          ) : (
            <Empty title="Nothing has run yet">Backups, verifications and restores are listed here.</Empty>
          );
        }
        return (
          <Stack>
            <RunTable runs={runs} />
            {answer.databases.some(({ more }) => more) && last < MOST ? (
              <Button variant="default" onClick={showMore}>
                Show older ones
              </Button>
            ) : null}
          </Stack>
        );
      }}
    </Answered>
  );
}
