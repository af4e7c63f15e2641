import { Checkbox, Group, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { backupsQuery } from "../../api/queries.ts";
import { utc } from "../../parts/moment.tsx";
import { Places } from "./places.tsx";
import { type Choices, momentOf, type Scenario } from "./scenario.ts";

const SOURCES = {
  provider: "The managed service's own backups",
  backup: "A backup of ours",
  rebuild: "Its source files: built anew",
} as const;

const OF_ITSELF: Partial<Record<Scenario["scenario"], string>> = {
  "server-lost": "what is faster",
  together: "what is nearest",
};

/** What is to be chosen before the plan is made. */
export function ChoiceFields({
  scenario,
  choices,
  onChoose,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly onChoose: (choices: Choices) => void;
}): ReactElement {
  const set = (some: Partial<Choices>): void => onChoose({ ...choices, ...some });
  return (
    <Stack gap="md">
      {scenario.scenario === "together" && scenario.begun === null ? (
        <Checkbox.Group
          label="Which belong together"
          value={[...choices.databases]}
          onChange={(databases) => set({ databases })}
        >
          <Group gap="md" mt="xs">
            {scenario.databases.map((name) => (
              <Checkbox key={name} value={name} label={name} />
            ))}
          </Group>
        </Checkbox.Group>
      ) : null}
      {scenario.scenario === "everything-lost" ? null : (
        <WhatFrom scenario={scenario} choices={choices} set={set} />
      )}
      <Places scenario={scenario} choices={choices} onChoose={set} />
    </Stack>
  );
}

function WhatFrom({
  scenario: { scenario, databases, from },
  choices,
  set,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly set: (some: Partial<Choices>) => void;
}): ReactElement {
  const [database = ""] = databases;
  const { data: listed } = useQuery(backupsQuery(database));
  const backups = listed?.databases[0]?.backups ?? [];
  const at = momentOf(choices);
  return (
    <Group align="flex-start" gap="md">
      {from.length === 0 ? null : (
        <Select
          label="Made from"
          placeholder={OF_ITSELF[scenario] ?? "what is best"}
          clearable
          data={from.map((value) => ({ value, label: SOURCES[value] }))}
          value={choices.from}
          onChange={(value) => set({ from: value as Choices["from"] })}
        />
      )}
      {choices.from === "rebuild" || choices.from === "provider" || scenario === "together" ? null : (
        <Select
          label="Which backup"
          placeholder={scenario === "data-deleted" ? "the last that has the rows" : "the newest proven one"}
          clearable
          searchable
          limit={200}
          w={320}
          maw="100%"
          data={backups.map(({ id, snapshotAt, proof }) => ({
            value: id,
            label: `${utc(snapshotAt)} · ${proof?.outcome ?? "not proven"}`,
          }))}
          value={choices.backup}
          onChange={(backup) => set({ backup })}
        />
      )}
      {scenario === "server-lost" ? null : (
        <TextInput
          label="As of when"
          description={at === null ? "by your own clock" : `that is ${utc(at)}`}
          // The others have none, and their fields stand in one line.
          inputWrapperOrder={["label", "input", "description"]}
          type="datetime-local"
          step={1}
          w={260}
          maw="100%"
          value={choices.at}
          onChange={({ currentTarget }) => set({ at: currentTarget.value })}
        />
      )}
      {scenario === "data-deleted" ? (
        <>
          <Textarea
            label="Tables that lost rows"
            placeholder="schema.table, …"
            autosize
            w={260}
            maw="100%"
            value={choices.tables}
            onChange={({ currentTarget }) => set({ tables: currentTarget.value })}
          />
          <TextInput
            label="Only rows for which this holds"
            placeholder="an SQL condition"
            w={260}
            maw="100%"
            disabled={choices.whole}
            value={choices.where}
            onChange={({ currentTarget }) => set({ where: currentTarget.value })}
          />
          <Checkbox
            label="Whole tables, into a new database beside"
            mt={30}
            checked={choices.whole}
            onChange={({ currentTarget }) => set({ whole: currentTarget.checked })}
          />
        </>
      ) : null}
    </Group>
  );
}
