import { Alert, List, Radio, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { type Job, jobsQuery, useStartJob } from "../../api/jobs.ts";
import type { Plan } from "../../api/plans.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Ago } from "../../parts/moment.tsx";
import { Failed } from "../../parts/states.tsx";
import { planned } from "./plan-steps.tsx";
import { type Choices, openForRun, recoveryOf, type Scenario } from "./scenario.ts";

type How = "begin" | "go on" | "restart" | "back";

const GOING_ON: readonly { readonly value: How; readonly label: string; readonly description: string }[] = [
  { value: "go on", label: "Go on", description: "What is done is checked again, and the rest is done." },
  { value: "back", label: "Go back", description: "Undo what it has done, as far as that can be undone." },
  { value: "restart", label: "Begin anew", description: "What it has done stays as it is." },
];

/** A recovery in earnest: nobody is asked in its middle, so all is agreed to here. */
export function ForReal({
  scenario,
  choices,
  plan,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly plan: Plan | undefined;
}): ReactElement {
  const [how, setHow] = useState<How>(scenario.begun === null ? "begin" : "go on");
  const start = useStartJob();
  const navigate = useNavigate();
  const asked = recoveryOf(scenario, choices);
  const [first = ""] = scenario.databases;
  const { data } = useQuery(jobsQuery({ database: first }));
  const before = data?.jobs.find((job) => isOf(job, scenario));
  const goesOn = how === "go on" || how === "back";
  // Going on takes the options with which it was begun; but of an address the password was kept nowhere.
  const { restart: _restart, back: _back, to: shown, ...begun } = before?.options ?? asked.options;
  const to = asked.options.to;
  const lacksPlace = before !== undefined && shown !== undefined && to === undefined;
  const again = lacksPlace ? "Say above where to, once more: what was typed then is kept nowhere." : null;
  const lacking = goesOn ? again : openForRun(scenario, choices);
  const options = goesOn
    ? { ...(begun as typeof asked.options), ...(to === undefined ? {} : { to }) }
    : asked.options;
  const { database } = goesOn && before !== undefined ? { database: first } : asked;
  // The plan is of what is chosen now, which need not be what was chosen then.
  const shownPlan = plan === undefined || (goesOn && before !== undefined) ? null : planned(plan);
  const asks = shownPlan?.steps.filter((step) => step.asks) ?? [];
  const touches = shownPlan?.touches ?? [];
  return (
    <Alert
      color="red"
      title={`This is no drill: ${[asked.database, ...(asked.options.with ?? [])].join(", ")}`}
    >
      <Stack gap="sm">
        {scenario.begun === null ? null : (
          <>
            <Text size="sm" className="wrap">
              A recovery that began <Ago at={scenario.begun.startedAt} /> has not ended: {scenario.begun.done}{" "}
              of {scenario.begun.steps} steps are done (
              {Object.entries(scenario.begun.aim)
                .map(([name, value]) => `${name}: ${value}`)
                .join("; ")}
              ).
              {before === undefined
                ? " It was begun at a terminal: choose above what was chosen then, or go on there."
                : " It goes on with what was chosen then."}
            </Text>
            <Radio.Group label="What is to be done" value={how} onChange={(value) => setHow(value as How)}>
              <Stack gap="xs" mt="xs">
                {GOING_ON.map((each) => (
                  <Radio key={each.value} {...each} />
                ))}
              </Stack>
            </Radio.Group>
          </>
        )}
        <Text size="sm">
          A job cannot ask in its middle: what you confirm here is all that you are asked
          {asks.length === 0 ? "." : ", also for these steps:"}
        </Text>
        {asks.length === 0 ? null : (
          <List size="sm">
            {asks.map(({ id, title }) => (
              <List.Item key={id}>{title}</List.Item>
            ))}
          </List>
        )}
        {touches.length === 0 ? null : (
          <Text size="sm" className="wrap">
            It touches {touches.join("; ")}.
          </Text>
        )}
        {lacking === null ? (
          <Confirm
            name={database}
            label={how === "back" ? "Go back" : how === "go on" ? "Go on" : "Recover"}
            needed
            pending={start.isPending}
            onConfirm={(confirm) =>
              start.mutate(
                {
                  kind: "recover",
                  database,
                  options: {
                    ...options,
                    ...(how === "restart" ? { restart: true } : {}),
                    ...(how === "back" ? { back: true } : {}),
                  },
                  ...(confirm === undefined ? {} : { confirm }),
                },
                { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) },
              )
            }
          />
        ) : (
          <Text size="sm">{lacking}</Text>
        )}
        {start.error === null ? null : <Failed error={start.error} />}
      </Stack>
    </Alert>
  );
}

/** Whether a job was a recovery of just these databases from it. */
function isOf({ kind, database, options }: Job, { scenario, databases }: Scenario): boolean {
  const others = (options["with"] ?? []) as readonly string[];
  const all = [database, ...others];
  return (
    kind === "recover" &&
    options["scenario"] === scenario &&
    all.length === databases.length &&
    all.every((name, at) => databases[at] === name)
  );
}
