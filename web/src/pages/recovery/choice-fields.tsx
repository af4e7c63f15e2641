import { Checkbox, Group, Select, Textarea, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { backupsQuery } from "../../api/queries.ts";
import { utc } from "../../parts/moment.tsx";
import type { Choices, Scenario } from "./scenario.ts";

const SOURCES = {
  provider: "The managed service's own backups",
  backup: "A backup of ours",
  rebuild: "Its source files: built anew",
} as const;

/** What is to be chosen before the plan is made; nothing where there is no choice. */
export function ChoiceFields({
  scenario: { scenario, databases, from },
  choices,
  onChoose,
}: {
  readonly scenario: Scenario;
  readonly choices: Choices;
  readonly onChoose: (choices: Choices) => void;
}): ReactElement | null {
  const [database = ""] = databases;
  const { data: listed } = useQuery(backupsQuery(database));
  if (scenario === "everything-lost") return null;
  const set = (some: Partial<Choices>): void => onChoose({ ...choices, ...some });
  const backups = listed?.databases[0]?.backups ?? [];
  return (
    <Group align="flex-start" gap="md">
      {from.length === 0 ? null : (
        <Select
          label="Made from"
          placeholder={scenario === "server-lost" ? "what is faster" : "what is best"}
          clearable
          data={from.map((value) => ({ value, label: SOURCES[value] }))}
          value={choices.from}
          onChange={(value) => set({ from: value as Choices["from"] })}
        />
      )}
      {choices.from === "rebuild" || choices.from === "provider" ? null : (
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
          placeholder="2026-11-28T14:05:00Z"
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
