import { Button, Group, Select, Stack, Switch } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useSearchParams } from "react-router";
import { overviewQuery, runsQuery } from "../../api/queries.ts";
import { RunningJobs } from "../../parts/job/running-jobs.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { RunTable } from "../../parts/run-table.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

const PAGE = 50;

/** What ran, and what came of it. What is chosen stands in the address, so that it can be sent to somebody. */
export function Activity(): ReactElement {
  const [chosen, choose] = useSearchParams();
  const database = chosen.get("database") ?? undefined;
  const failed = chosen.get("failed") === "true";
  const last = Math.min(1000, Number(chosen.get("last")) || PAGE);
  const databases = useQuery(overviewQuery());
  const query = useQuery({
    ...runsQuery({
      last,
      ...(database === undefined ? {} : { database }),
      ...(failed ? { failed: "true" as const } : {}),
    }),
    placeholderData: keepPreviousData,
  });
  const set = (name: string, value: string | null): void =>
    choose((before) => {
      const after = new URLSearchParams(before);
      if (value === null) after.delete(name);
      else after.set(name, value);
      return after;
    });
  return (
    <>
      <PageTitle title="Activity" />
      <Group mb="md" align="flex-end">
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
              {answer.databases.some(({ more }) => more) && last < 1000 ? (
                <Button variant="default" onClick={() => set("last", String(Math.min(1000, last + PAGE)))}>
                  Show older ones
                </Button>
              ) : null}
            </Stack>
          );
        }}
      </Answered>
    </>
  );
}
