import { Alert, Card, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import type { Answer } from "../../api/queries.ts";
import { Fact } from "../fact.tsx";
import { Gauge } from "../gauge.tsx";
import { NoteForm } from "../note-form.tsx";

export type Drill = Answer<"recoveries">["databases"][number]["drills"][number];

/** What came of a drill, and a field for what was learned from it. */
export function DrillResult({ drill }: { readonly drill: Drill }): ReactElement {
  const { outcome, rtoMs, budgetMs, objectiveRtoMs, dataLostMs, objectiveRpoMs, from } = drill;
  const failed = drill.steps.find((step) => step.outcome === "failed");
  return (
    <Card withBorder component="section" aria-label="Result">
      <Stack gap="md">
        {outcome === "done" ? (
          <Alert
            color={isWithin(rtoMs, objectiveRtoMs ?? budgetMs) ? "green" : "orange"}
            title="It can be recovered so"
          >
            {from === null
              ? "Every step was done and checked."
              : `Every step was done and checked, from ${from}.`}
          </Alert>
        ) : (
          <Alert
            color="red"
            title={failed === undefined ? "It did not come to its end" : `It failed: ${failed.title}`}
          >
            <Text size="sm" className="wrap">
              {drill.error?.message ?? "Nobody said why."}
            </Text>
            {drill.error?.hint == null ? null : (
              <Text size="sm" className="wrap">
                {drill.error.hint}
              </Text>
            )}
          </Alert>
        )}
        <Gauge label="Time to recover" value={rtoMs} limit={budgetMs} limitName="budget" />
        {objectiveRtoMs === null ? null : (
          <Gauge label="Time to recover" value={rtoMs} limit={objectiveRtoMs} limitName="RTO" />
        )}
        <Gauge label="Data that would be lost" value={dataLostMs} limit={objectiveRpoMs} limitName="RPO" />
        {drill.notes.length === 0 ? null : (
          <dl className="facts">
            <Fact name="Noted">{drill.notes.join(" · ")}</Fact>
          </dl>
        )}
        <NoteForm id={drill.id} />
      </Stack>
    </Card>
  );
}

/** What a drill's command printed; undefined where it came to no result. */
export function drillIn(kind: string, result: unknown): Drill | undefined {
  const isDrill = kind === "drill" && typeof result === "object" && result !== null && "steps" in result;
  return isDrill ? (result as Drill) : undefined;
}

const isWithin = (ms: number | null, limit: number): boolean => ms !== null && ms <= limit;
