import { Accordion, Alert, Badge, Group, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState, type ReactElement } from "react";
import { formatDuration } from "../../../../src/lib/text.ts";
import { planQuery } from "../../api/plans.ts";
import { overviewQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { FindingList } from "../../parts/finding-list.tsx";
import type { Drill } from "../../parts/job/drill-result.tsx";
import { Ago } from "../../parts/moment.tsx";
import { Answered } from "../../parts/states.tsx";
import { Begin } from "./begin.tsx";
import { ChoiceFields } from "./choice-fields.tsx";
import { LastDrill } from "./last-drill.tsx";
import { PlanSteps } from "./plan-steps.tsx";
import {
  type Finding,
  findingsOf,
  firstChoices,
  historyOf,
  keyOf,
  openForPlan,
  recoveryOf,
  type Scenario,
  TITLES,
} from "./scenario.ts";

// Drawing takes more code than all the rest.
const TimeChart = lazy(async () => ({ default: (await import("./time-chart.tsx")).TimeChart }));

// A plan is made by a process of its own: not for each letter that is typed.
const TYPING_MS = 700;

/** One disaster: whether the way out was rehearsed, and, opened, the way. */
export function ScenarioItem({
  scenario,
  drills,
  open,
}: {
  readonly scenario: Scenario;
  readonly drills: readonly Drill[];
  readonly open: boolean;
}): ReactElement {
  const { data: status } = useQuery(overviewQuery());
  const history = historyOf(scenario, drills);
  const findings = findingsOf(scenario, status);
  return (
    <Accordion.Item value={keyOf(scenario)}>
      <Accordion.Control>
        <Group gap="xs" justify="space-between" pr="xs">
          <Text fw={600}>{TITLES[scenario.scenario]}</Text>
          <Standing scenario={scenario} history={history} findings={findings} />
        </Group>
      </Accordion.Control>
      <Accordion.Panel>
        {open ? <Way scenario={scenario} history={history} findings={findings} /> : null}
      </Accordion.Panel>
    </Accordion.Item>
  );
}

interface Rehearsed {
  readonly scenario: Scenario;
  readonly history: readonly Drill[];
  readonly findings: readonly Finding[];
}

/** In a few words, how well it was rehearsed. */
function Standing({ scenario, history, findings }: Rehearsed): ReactElement {
  const last = history.find(({ outcome }) => outcome === "done");
  const overdue = findings.some(({ id }) => id === "drill-overdue");
  const failed = history[0]?.outcome === "failed";
  return (
    <Group gap="xs">
      {scenario.begun === null ? null : (
        <Badge color="red" autoContrast>
          not ended
        </Badge>
      )}
      {overdue ? (
        <Badge color="red" autoContrast>
          drill overdue
        </Badge>
      ) : null}
      {failed ? (
        <Badge color="red" autoContrast>
          the last one failed
        </Badge>
      ) : null}
      {last === undefined && scenario.scenario === "together" ? null : last === undefined ? (
        <Badge color="orange" autoContrast>
          never rehearsed
        </Badge>
      ) : (
        <Text size="sm" className="quiet" component="span">
          {last.rtoMs === null ? "" : `${formatDuration(last.rtoMs)}, `}
          <Ago at={last.startedAt} />
        </Text>
      )}
    </Group>
  );
}

function Way({ scenario, history, findings }: Rehearsed): ReactElement {
  const [choices, choose] = useState(() => firstChoices(scenario));
  const [settled] = useDebouncedValue(choices, TYPING_MS);
  const { data: session } = useQuery(sessionQuery());
  const mayAsk = session?.user != null && session.user.role !== "viewer";
  const lacking = openForPlan(scenario, settled);
  const plan = useQuery(planQuery(recoveryOf(scenario, settled), mayAsk && lacking === null));
  const [last] = history;
  const timed = history.filter(({ rtoMs }) => rtoMs !== null);
  return (
    <Stack gap="lg">
      {findings.length === 0 ? null : (
        <FindingList findings={findings.map((finding) => ({ ...finding, database: null }))} />
      )}
      {scenario.problem === null ? null : (
        <Alert color="orange" title="Whether a recovery was begun, nobody knows">
          <Text size="sm" className="wrap">
            {scenario.problem}
          </Text>
        </Alert>
      )}
      <ChoiceFields scenario={scenario} choices={choices} onChoose={choose} />
      {lacking === null && mayAsk ? (
        <Answered query={plan}>
          {(made) => <PlanSteps plan={made} scenario={scenario} last={history.find(isDone)} />}
        </Answered>
      ) : (
        <Text size="sm" className="quiet">
          {mayAsk ? lacking : "The plan is made for operators; the runbook has it, too."}
        </Text>
      )}
      <Begin scenario={scenario} choices={choices} plan={plan.data} />
      {last === undefined ? null : <LastDrill scenario={scenario} last={last} />}
      {timed.length === 0 ? null : (
        <Suspense fallback={null}>
          <TimeChart drills={timed} objectiveMs={scenario.rtoMs} />
        </Suspense>
      )}
    </Stack>
  );
}

const isDone = ({ outcome }: Drill): boolean => outcome === "done";
