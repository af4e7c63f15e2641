import { Card, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import type { Plan } from "../../api/plans.ts";
import { ResultFacts } from "../../parts/result-facts.tsx";
import { TypedCommand } from "../../parts/typed-command.tsx";

/** What a command says that it would do. */
export function PlanView({ plan }: { readonly plan: Plan }): ReactElement {
  return (
    <Card withBorder>
      <Stack gap="xs">
        {plan.notes.map((note) => (
          <Text key={note} size="sm" className="wrap">
            {note}
          </Text>
        ))}
        <ResultFacts result={plan.result} />
        {/* Where the figures have parts, such as the rows that would be set aside, it has them. */}
        <Text size="sm" className="said">
          {plan.text}
        </Text>
        <TypedCommand words={plan.command} />
      </Stack>
    </Card>
  );
}
