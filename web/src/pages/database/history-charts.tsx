import { LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Card, SimpleGrid, Text, Title } from "@mantine/core";
import type { ReactElement } from "react";
import { formatBytes, formatCount, formatDuration } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";

type Series = Answer<"series">;
type Point = Series["points"][number];
type Usual = Series["usual"];

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const CHARTS = [
  { title: "Rows", of: ({ rows }: Point) => rows, band: ({ rows }: Usual) => rows, format: formatCount },
  {
    title: "Size before compression",
    of: ({ bytes }: Point) => bytes,
    band: ({ bytes }: Usual) => bytes,
    format: formatBytes,
  },
  {
    title: "Added to the repository",
    of: ({ storedBytes }: Point) => storedBytes,
    band: () => null,
    format: formatBytes,
  },
  { title: "Duration", of: ({ durationMs }: Point) => durationMs, band: () => null, format: formatDuration },
] as const;

/** How size, rows and duration went, backup by backup, and between what the next may lie before it is a finding. Loaded by itself: drawing takes more code than all the rest. */
export function HistoryCharts({ series }: { readonly series: Series }): ReactElement {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      {CHARTS.map(({ title, of, band, format }) => {
        const usual = band(series.usual);
        const data = series.points.map((backup) => ({
          at: DAY.format(new Date(backup.snapshotAt)),
          value: of(backup),
        }));
        const last = data.at(-1)?.value;
        return (
          <Card withBorder key={title} component="figure" m={0} padding="sm">
            <Title order={3} size="h6" mb="xs" component="figcaption">
              {title}
            </Title>
            {usual === null ? null : (
              <Text size="xs" className="quiet" mb={4}>
                Usual: {format(Math.ceil(usual.low))} to {format(Math.floor(usual.high))}; beyond the lines a
                backup is a finding.
              </Text>
            )}
            <div
              role="img"
              aria-label={`${title}: ${data.length} backups${last === undefined ? "" : `, the newest ${format(last)}`}`}
            >
              <LineChart
                h={180}
                data={data}
                dataKey="at"
                series={[{ name: "value", label: title, color: "teal" }]}
                {...(usual === null
                  ? {}
                  : {
                      referenceLines: [usual.low, usual.high].map((y) => ({ y, color: "orange" })),
                    })}
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
