import { Badge, Group, Stack, Text, Title } from "@mantine/core";
import { useId, type ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Fact } from "../../parts/fact.tsx";
import type { Drill } from "../../parts/job/drill-result.tsx";
import { Ago } from "../../parts/moment.tsx";
import { NoteForm } from "../../parts/note-form.tsx";
import type { Scenario } from "./scenario.ts";

type Step = Drill["steps"][number];

const COLORS = { done: "green", failed: "red", "not begun": "gray" } as const;

const COLUMNS: readonly Column<Step>[] = [
  { title: "Step", cell: ({ title }) => title },
  {
    title: "Outcome",
    cell: ({ outcome }) => (
      <Badge color={COLORS[outcome]} autoContrast>
        {outcome}
      </Badge>
    ),
  },
  {
    title: "Took",
    figure: true,
    cell: ({ ms, budgetMs }) =>
      ms === null ? "" : `${formatDuration(ms)}${ms > budgetMs ? ", over budget" : ""}`,
  },
  { title: "Budget", figure: true, cell: ({ budgetMs }) => formatDuration(budgetMs) },
];

/** What came of the last drill or recovery, and what was learned. */
export function LastDrill({
  scenario: { drills },
  last,
}: {
  readonly scenario: Scenario;
  readonly last: Drill;
}): ReactElement {
  const id = useId();
  const next = drills.flatMap(({ nextRun }) => nextRun ?? []).toSorted()[0];
  return (
    <section aria-labelledby={id}>
      <Group gap="xs" mb="xs">
        <Title order={4} size="h5" id={id}>
          The last {last.kind === "drill" ? "drill" : "recovery"}
        </Title>
        <Badge
          color={last.outcome === "done" ? "green" : last.outcome === null ? "blue" : "red"}
          autoContrast
        >
          {last.outcome ?? "running"}
        </Badge>
      </Group>
      <Stack gap="sm">
        <dl className="facts">
          <Fact name="When">
            <Ago at={last.startedAt} />
          </Fact>
          <Fact name="Took">{last.rtoMs === null ? "not known" : formatDuration(last.rtoMs)}</Fact>
          <Fact name="Data lost">
            {last.dataLostMs === null ? "not known" : formatDuration(last.dataLostMs)}
          </Fact>
          <Fact name="From">{last.from ?? "it did not come so far"}</Fact>
          <Fact name="Next drill">{next === undefined ? "not scheduled" : <Ago at={next} />}</Fact>
        </dl>
        {last.error === null ? null : (
          <Text size="sm" className="wrap">
            {last.error.message}
          </Text>
        )}
        {last.steps.every(({ outcome }) => outcome === "not begun") ? (
          // Each step is recorded when all is over: of one that was killed nobody has said how far it came.
          <Text size="sm" className="quiet">
            How far its steps have come is not recorded{last.outcome === null ? " yet" : ""}.
          </Text>
        ) : (
          <DataTable
            label="Steps of the last one"
            rows={last.steps}
            columns={COLUMNS}
            keyOf={(step) => step.id}
          />
        )}
        {last.notes.map((note) => (
          <Text key={note} size="sm" className="wrap note">
            {note}
          </Text>
        ))}
        <NoteForm id={last.id} />
      </Stack>
    </section>
  );
}
