import { Card, Stack, Text } from "@mantine/core";
import type { ReactElement } from "react";
import type { Plan } from "../../api/plans.ts";
import { Fact } from "../../parts/fact.tsx";
import { TypedCommand } from "../../parts/typed-command.tsx";

/** What a command says that it would do. */
export function PlanView({ plan }: { readonly plan: Plan }): ReactElement {
  const facts = factsOf(plan.result);
  return (
    <Card withBorder>
      <Stack gap="xs">
        {plan.notes.map((note) => (
          <Text key={note} size="sm" className="wrap">
            {note}
          </Text>
        ))}
        {facts.length === 0 ? null : (
          <dl className="facts">
            {facts.map(([name, value]) => (
              <Fact key={name} name={name}>
                {value}
              </Fact>
            ))}
          </dl>
        )}
        <TypedCommand words={plan.command} />
      </Stack>
    </Card>
  );
}

/** What is a plain value in the result: `rows` 1,200. */
function factsOf(result: unknown): readonly (readonly [string, string])[] {
  if (typeof result !== "object" || result === null) return [];
  return Object.entries(result).flatMap(([name, value]) => {
    if (typeof value === "number") return [[wordsOf(name), value.toLocaleString("en-US")] as const];
    if (typeof value === "boolean")
      return name === "dryRun" ? [] : [[wordsOf(name), value ? "yes" : "no"] as const];
    return typeof value === "string" ? [[wordsOf(name), value] as const] : [];
  });
}

/** `snapshotAt` → `snapshot at`. */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
