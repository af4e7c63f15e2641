import { Alert, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, type ReactElement } from "react";
import { useParams } from "react-router";
import { backupsQuery, overviewQuery, seriesQuery } from "../../api/queries.ts";
import { FindingList } from "../../parts/finding-list.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty, Loading } from "../../parts/states.tsx";
import { DatabaseCard } from "../overview/database-card.tsx";
import { Actions } from "./actions.tsx";
import { BackupTable } from "./backup-table.tsx";
import { Timeline } from "./timeline.tsx";

const HistoryCharts = lazy(async () => ({ default: (await import("./history-charts.tsx")).HistoryCharts }));

/** One database: to which moments it can be brought back, and how it stands. */
export function Database(): ReactElement {
  const { database: name = "" } = useParams();
  const status = useQuery(overviewQuery());
  const backups = useQuery(backupsQuery(name));
  const series = useQuery(seriesQuery(name));
  const of = status.data?.databases.find(({ database }) => database === name);
  return (
    <>
      <PageTitle title={name}>
        <Actions database={name} />
      </PageTitle>
      <Stack gap="lg">
        {of === undefined ? null : <DatabaseCard database={of} named={false} />}
        {of === undefined || of.problems.length + of.notices.length === 0 ? null : (
          <FindingList
            findings={[...of.problems, ...of.notices].map((found) => ({ ...found, database: null }))}
          />
        )}
        <Answered query={backups}>
          {({ databases }) =>
            databases.map((listed) => (
              <section key={listed.database} aria-label="Timeline">
                <Timeline listed={listed} now={backups.dataUpdatedAt} />
              </section>
            ))
          }
        </Answered>
        <section aria-labelledby="backups">
          <Title order={2} size="h4" mb="xs" id="backups">
            Backups
          </Title>
          <Answered query={backups}>
            {({ databases }) =>
              databases.map((listed) => (
                <Stack key={listed.database}>
                  {listed.degraded.map(({ place, error, lacks }) => (
                    <Alert key={place} color="orange" title={`${place} has not all that it should have`}>
                      {error ?? `It lacks ${lacks.length} of the backups that another place has.`}
                    </Alert>
                  ))}
                  {listed.damaged.map(({ id, reason }) => (
                    <Alert key={id} color="red" title={`${id} is damaged`}>
                      <Text size="sm" className="wrap">
                        {reason}
                      </Text>
                    </Alert>
                  ))}
                  {listed.backups.length === 0 ? (
                    <Empty title="There is no backup yet">
                      The first one is made by `handled backup {name}`.
                    </Empty>
                  ) : (
                    <BackupTable database={name} backups={listed.backups} />
                  )}
                </Stack>
              ))
            }
          </Answered>
        </section>
        {series.data === undefined || series.data.points.length < 2 ? null : (
          <section aria-labelledby="history">
            <Title order={2} size="h4" mb="xs" id="history">
              History
            </Title>
            <Suspense fallback={<Loading />}>
              <HistoryCharts series={series.data} />
            </Suspense>
          </section>
        )}
      </Stack>
    </>
  );
}
