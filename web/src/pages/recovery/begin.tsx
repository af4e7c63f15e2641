import { Alert, Button, Code, Group, List, Radio, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { jobsQuery, useStartJob } from "../../api/jobs.ts";
import type { Plan } from "../../api/plans.ts";
import { sessionQuery } from "../../api/session.ts";
import { Ago } from "../../parts/moment.tsx";
import { Failed } from "../../parts/states.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { planned } from "./plan-steps.tsx";
import { type Choices, drillOf, isComplete, recoveryOf, type Scenario } from "./scenario.ts";

/** Rehearses what is chosen, or does it; nothing for who may only look. */
export function Begin({
  scenario,
  choices,
  plan,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly plan: Plan | undefined;
}): ReactElement | null {
  const [real, setReal] = useState(false);
  const { data: session } = useQuery(sessionQuery());
  const start = useStartJob();
  const navigate = useNavigate();
  if (session?.user == null || session.user.role === "viewer") return null;
  const complete = isComplete(scenario, choices);
  // A drill of `whole` there is none, and a cluster of the service costs money.
  const noDrill = choices.whole || choices.from === "provider";
  const rehearse = (): void => {
    const { at: _at, whole: _whole, from, ...options } = recoveryOf(scenario, choices).options;
    const entry = drillOf(scenario, choices);
    const of = { scenario: scenario.scenario };
    start.mutate(
      {
        kind: "drill",
        database: scenario.databases[0] ?? "",
        options:
          entry === undefined
            ? { ...options, ...of, ...(from === "backup" || from === "rebuild" ? { from } : {}) }
            : { ...of, entry: entry.name },
      },
      { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) },
    );
  };
  return (
    <Stack gap="sm">
      <Group>
        <Button onClick={rehearse} loading={start.isPending} disabled={!complete || noDrill}>
          Rehearse
        </Button>
        {session.user.role === "admin" ? (
          <Button variant="default" onClick={() => setReal(!real)} aria-expanded={real}>
            {scenario.begun === null ? "Recover for real …" : "Go on, or back …"}
          </Button>
        ) : null}
        <Text size="sm" className="quiet">
          {noDrill
            ? "A drill of this is run at a terminal, if at all."
            : complete
              ? "A drill runs on a throw-away server: nothing of production is touched."
              : "Say first which tables lost rows."}
        </Text>
      </Group>
      {start.error === null ? null : <Failed error={start.error} title="It was not begun" />}
      {real ? <ForReal scenario={scenario} choices={choices} plan={plan} /> : null}
    </Stack>
  );
}

type How = "begin" | "go on" | "restart" | "back";

const GOING_ON: readonly { readonly value: How; readonly label: string; readonly description: string }[] = [
  { value: "go on", label: "Go on", description: "What is done is checked again, and the rest is done." },
  { value: "back", label: "Go back", description: "Undo what it has done, as far as that can be undone." },
  { value: "restart", label: "Begin anew", description: "What it has done stays as it is." },
];

/** A recovery in earnest: nobody is asked in its middle, so all is agreed to here. */
function ForReal({
  scenario,
  choices,
  plan,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly plan: Plan | undefined;
}): ReactElement {
  const [database = ""] = scenario.databases;
  const [how, setHow] = useState<How>(scenario.begun === null ? "begin" : "go on");
  const { data } = useQuery(jobsQuery({ database }));
  const start = useStartJob();
  const navigate = useNavigate();
  const asked = recoveryOf(scenario, choices);
  // Going on takes the options with which it was begun.
  const before = data?.jobs.find(
    ({ kind, options }) => kind === "recover" && options["scenario"] === scenario.scenario,
  );
  const { restart: _restart, back: _back, ...begun } = before?.options ?? asked.options;
  const goesOn = how === "go on" || how === "back";
  const complete = goesOn || isComplete(scenario, choices);
  const asks = plan === undefined ? [] : planned(plan).steps.filter((step) => step.asks);
  const touches = plan === undefined ? [] : planned(plan).touches;
  return (
    <Alert color="red" title={`This is no drill: ${scenario.databases.join(", ")}`}>
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
        <Text size="sm" className="quiet">
          Into another place than its own it is recovered at a terminal, with <Code>--to</Code>: an address
          with a password does not go through a browser.
        </Text>
        {complete ? (
          <Confirm
            name={database}
            label={how === "back" ? "Go back" : how === "go on" ? "Go on" : "Recover"}
            needed
            pending={start.isPending}
            onConfirm={(confirm) =>
              start.mutate(
                {
                  ...asked,
                  options: {
                    ...(goesOn ? (begun as typeof asked.options) : asked.options),
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
          <Text size="sm">Say first which tables lost rows.</Text>
        )}
        {start.error === null ? null : <Failed error={start.error} title="It was not begun" />}
      </Stack>
    </Alert>
  );
}
