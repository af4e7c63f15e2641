import { Checkbox, PasswordInput, Stack } from "@mantine/core";
import type { ReactElement } from "react";
import { type Choices, isAddress, placesOf, type Scenario } from "./scenario.ts";

/** Where each comes back; nothing where that is no question. The addresses have passwords, so nobody reads them over a shoulder. */
export function Places({
  scenario: { scenario, databases },
  choices,
  onChoose,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly onChoose: (some: Partial<Choices>) => void;
}): ReactElement | null {
  if (scenario === "data-deleted" || scenario === "together") return null;
  const places = placesOf(scenario, choices);
  return (
    <Stack gap="sm">
      {scenario === "provider-down" ? null : (
        <Checkbox
          label={databases.length > 1 ? "To other servers than before" : "To another server than before"}
          checked={choices.elsewhere}
          onChange={({ currentTarget }) => onChoose({ elsewhere: currentTarget.checked })}
        />
      )}
      {places.map((name) => {
        const typed = choices.to[name]?.trim() ?? "";
        return (
          <PasswordInput
            key={name}
            label={databases.length > 1 ? `Where ${name} goes` : "Where to"}
            description={`postgresql://user:password@host/database, new or empty${emptyMeans(scenario)}`}
            error={typed === "" || isAddress(typed) ? null : "It begins with postgresql://"}
            autoComplete="off"
            maw={520}
            value={choices.to[name] ?? ""}
            onChange={({ currentTarget }) => onChoose({ to: { ...choices.to, [name]: currentTarget.value } })}
          />
        );
      })}
    </Stack>
  );
}

function emptyMeans(scenario: Scenario["scenario"]): string {
  if (scenario === "everything-lost") return ". Empty: where it was";
  return scenario === "provider-down" ? ". For when the service has nothing" : "";
}
