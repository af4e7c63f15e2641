import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useNavigate } from "react-router";
import { useStartJob } from "../../api/jobs.ts";
import type { Plan } from "../../api/plans.ts";
import { sessionQuery } from "../../api/session.ts";
import { Confirm, type Confirmation } from "../../parts/confirm.tsx";
import { Failed } from "../../parts/states.tsx";
import { ForReal } from "./for-real.tsx";
import { type Choices, mayCost, openForRun, rehearsalOf, type Scenario } from "./scenario.ts";

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
  const [open, show] = useState<"drill" | "recovery" | null>(null);
  const { data: session } = useQuery(sessionQuery());
  const start = useStartJob();
  const navigate = useNavigate();
  if (session?.user == null || session.user.role === "viewer") return null;
  const drill = rehearsalOf(scenario, choices);
  const lacking = openForRun(scenario, choices);
  const costs = drill !== null && mayCost(drill);
  const rehearse = (confirm?: Confirmation): void => {
    if (drill === null) return;
    start.mutate(
      { ...drill, ...(confirm === undefined ? {} : { confirm }) },
      { onSuccess: ({ id }) => void navigate(`/jobs/${id}`) },
    );
  };
  const toggle = (which: "drill" | "recovery"): void => show(open === which ? null : which);
  return (
    <Stack gap="sm">
      <Group>
        {drill === null ? null : (
          <Button
            onClick={() => (costs ? toggle("drill") : rehearse())}
            aria-expanded={costs ? open === "drill" : undefined}
            loading={start.isPending}
            disabled={lacking !== null}
          >
            {costs ? "Rehearse …" : "Rehearse"}
          </Button>
        )}
        {session.user.role === "admin" ? (
          <Button variant="default" onClick={() => toggle("recovery")} aria-expanded={open === "recovery"}>
            {scenario.begun === null ? "Recover for real …" : "Go on, or back …"}
          </Button>
        ) : null}
        <Text size="sm" className="quiet">
          {lacking ??
            (drill === null
              ? "There is no drill of this."
              : "A drill runs on a throw-away server: nothing of production is touched.")}
        </Text>
      </Group>
      {open === "drill" && costs && lacking === null ? (
        <Alert color="orange" title="This drill may cost money">
          <Stack gap="sm">
            <Text size="sm" className="wrap">
              The managed service is asked for a new cluster, as in a recovery. It is destroyed at the end of
              the drill, whatever comes of it.
            </Text>
            <Confirm
              name={drill.database}
              label="Rehearse"
              needed
              pending={start.isPending}
              onConfirm={rehearse}
            />
          </Stack>
        </Alert>
      ) : null}
      {start.error === null ? null : <Failed error={start.error} />}
      {open === "recovery" ? <ForReal scenario={scenario} choices={choices} plan={plan} /> : null}
    </Stack>
  );
}
