import { Badge, Code, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import type { RecoveryPlan } from "../../../../src/api/contract/jobs.ts";
import type { Plan } from "../../api/plans.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Fact } from "../../parts/fact.tsx";
import { Gauge } from "../../parts/gauge.tsx";
import type { Drill } from "../../parts/job/drill-result.tsx";
import { TypedCommand } from "../../parts/typed-command.tsx";
import type { Scenario } from "./scenario.ts";
import { TogetherPoints } from "./together-points.tsx";

type Step = RecoveryPlan["steps"][number] & { readonly place: number; readonly took: number | null };

/** What `recover --dry-run` has printed. */
export const planned = ({ result }: Plan): RecoveryPlan => result as RecoveryPlan;

const COLUMNS: readonly Column<Step>[] = [
  {
    title: "Step",
    cell: ({ place, title, asks }) => (
      <>
        <Text size="sm" fw={600} component="span">
          {place}. {title}
        </Text>{" "}
        {asks ? (
          <Badge color="orange" autoContrast title="Somebody has to agree before it">
            asks
          </Badge>
        ) : null}
      </>
    ),
  },
  { title: "Runs", cell: ({ runs }) => <Code className="wrap code">{runs}</Code> },
  { title: "Checked by", cell: ({ checkedBy }) => checkedBy },
  { title: "Budget", figure: true, cell: ({ budgetMs }) => formatDuration(budgetMs) },
  { title: "Took last", figure: true, cell: ({ took }) => (took === null ? "" : formatDuration(took)) },
];

/** A plan as it would be run now: its steps, and whether they fit into the objective. */
export function PlanSteps({
  plan,
  scenario: { rtoMs },
  last,
}: {
  readonly plan: Plan;
  readonly scenario: Scenario;
  /** The last that came to its end. */
  readonly last: Drill | undefined;
}): ReactElement {
  const { steps, aim, touches, estimates } = planned(plan);
  const sum = steps.reduce((all, { budgetMs }) => all + budgetMs, 0);
  const rows = steps.map((step, at) => ({
    ...step,
    place: at + 1,
    took: last?.steps.find(({ id }) => id === step.id)?.ms ?? null,
  }));
  return (
    <Stack gap="sm">
      <TogetherPoints plan={planned(plan)} />
      <div className="budget">
        <Gauge label="Budgets of all steps" value={sum} limit={rtoMs} limitName="RTO" />
      </div>
      <DataTable label="Steps of the plan" rows={rows} columns={COLUMNS} keyOf={({ id }) => id} />
      <dl className="facts wide">
        {Object.entries(aim).map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
        {estimates.map(({ what, ms, basis }) => (
          <Fact key={what} name={what}>
            {ms === null
              ? "not measured yet"
              : `about ${formatDuration(ms)}${basis === null ? "" : `, by the ${basis}`}`}
          </Fact>
        ))}
        <Fact name="touches">{touches.length === 0 ? "nothing of production" : touches.join("; ")}</Fact>
      </dl>
      <TypedCommand words={plan.command} />
    </Stack>
  );
}
