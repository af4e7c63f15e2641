import { LineChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Card, Text, Title } from "@mantine/core";
import type { ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import type { Drill } from "../../parts/job/drill-result.tsx";

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const TICKS = [
  SECOND / 10,
  SECOND,
  10 * SECOND,
  MINUTE,
  10 * MINUTE,
  HOUR,
  4 * HOUR,
  24 * HOUR,
  7 * 24 * HOUR,
];

/**
 * How long it took to recover, drill by drill, against the budget of the plan and the objective. Each ten times as long is as far up as the
 * one before: a recovery in seconds with a budget of hours lay on the ground, else. The table of drills says the same.
 * @param drills those that came to their end, newest first
 */
export function TimeChart({
  drills,
  objectiveMs,
}: {
  readonly drills: readonly Drill[];
  readonly objectiveMs: number | null;
}): ReactElement {
  const [newest] = drills;
  const budgetMs = newest?.budgetMs ?? null;
  const data = drills
    .toReversed()
    .map(({ startedAt, rtoMs }) => ({ at: DAY.format(new Date(startedAt)), value: Math.max(1, rtoMs ?? 1) }));
  const all = [...data.map(({ value }) => value), ...[budgetMs, objectiveMs].flatMap((ms) => ms ?? [])];
  const domain = domainOf(all);
  const lines = [
    ...(budgetMs === null
      ? []
      : [
          {
            y: budgetMs,
            // One line would hide the other.
            label: `${budgetMs === objectiveMs ? "budget and RTO" : "budget"} ${formatDuration(budgetMs)}`,
            labelPosition: "insideBottomLeft" as const,
            color: "orange.7",
          },
        ]),
    ...(objectiveMs === null || objectiveMs === budgetMs
      ? []
      : [
          {
            y: objectiveMs,
            label: `RTO ${formatDuration(objectiveMs)}`,
            labelPosition: "insideTopRight" as const,
            color: "red.7",
          },
        ]),
  ];
  const last = newest?.rtoMs ?? null;
  const against = lines.map(({ label }) => label).join(", ");
  return (
    <Card withBorder component="figure" m={0} padding="sm">
      <Title order={4} size="h6" component="figcaption">
        Time to recover
      </Title>
      <Text size="xs" className="quiet" mb="xs">
        {data.length === 1 ? "One that came to its end" : `The ${data.length} that came to their end`}
        {against === "" ? "" : `, against ${against}`}; each line upwards is several times as long
      </Text>
      <div
        role="img"
        aria-label={`Time to recover: ${data.length} drills and recoveries${last === null ? "" : `, the newest took ${formatDuration(last)}`}${against === "" ? "" : `, against ${against}`}`}
      >
        <LineChart
          h={220}
          data={data}
          dataKey="at"
          series={[{ name: "value", label: "Took", color: "teal" }]}
          valueFormatter={formatDuration}
          referenceLines={lines}
          yAxisProps={{
            width: 80,
            scale: "log",
            domain,
            ticks: TICKS.filter((tick) => tick >= domain[0] && tick <= domain[1]),
            tickFormatter: (ms: number) => formatDuration(ms).replace(".0 s", " s"),
          }}
          xAxisProps={{ minTickGap: 40 }}
          curveType="linear"
          withDots={data.length < 60}
          lineChartProps={{ accessibilityLayer: false }}
        />
      </div>
    </Card>
  );
}

/** From the tick below the least to one above the most. */
function domainOf(values: readonly number[]): [number, number] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const below = TICKS.findLast((tick) => tick <= least) ?? 1;
  const above = TICKS.find((tick) => tick > most) ?? most;
  return [below, above];
}
