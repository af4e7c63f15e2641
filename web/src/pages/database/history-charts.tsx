import { LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Card, SimpleGrid, Title } from "@mantine/core";
import type { ReactElement } from "react";
import { formatBytes, formatCount, formatDuration } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";

type Backup = Answer<"backups">["databases"][number]["backups"][number];

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const CHARTS = [
  { title: "Rows", of: ({ rows }: Backup) => rows, format: formatCount },
  { title: "Size before compression", of: ({ bytes }: Backup) => bytes, format: formatBytes },
  { title: "Added to the repository", of: ({ storedBytes }: Backup) => storedBytes, format: formatBytes },
  { title: "Duration", of: ({ durationMs }: Backup) => durationMs, format: formatDuration },
] as const;

/** How size, rows and duration went, backup by backup. Loaded by itself: drawing takes more code than all the rest. */
export function HistoryCharts({ backups }: { readonly backups: readonly Backup[] }): ReactElement {
  const oldestFirst = backups.toReversed();
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      {CHARTS.map(({ title, of, format }) => {
        const data = oldestFirst.map((backup) => ({
          at: DAY.format(new Date(backup.snapshotAt)),
          value: of(backup),
        }));
        const last = data.at(-1)?.value;
        return (
          <Card withBorder key={title} component="figure" m={0} padding="sm">
            <Title order={3} size="h6" mb="xs" component="figcaption">
              {title}
            </Title>
            <div
              role="img"
              aria-label={`${title}: ${data.length} backups${last === undefined ? "" : `, the newest ${format(last)}`}`}
            >
              <LineChart
                h={180}
                data={data}
                dataKey="at"
                series={[{ name: "value", label: title, color: "teal" }]}
                valueFormatter={format}
                yAxisProps={{ width: 80, domain: [0, "auto"] }}
                xAxisProps={{ minTickGap: 40 }}
                curveType="linear"
                withDots={data.length < 60}
                lineChartProps={{ accessibilityLayer: false }}
              />
            </div>
          </Card>
        );
      })}
    </SimpleGrid>
  );
}
