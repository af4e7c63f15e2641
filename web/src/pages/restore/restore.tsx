import { Button, Group, Radio, Select, Stack, Textarea, TextInput, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useParams, useSearchParams } from "react-router";
import { useStartJob } from "../../api/jobs.ts";
import { type Ask, usePlan } from "../../api/plans.ts";
import { backupsQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { RunningJobs } from "../../parts/job/running-jobs.tsx";
import { JobView } from "../../parts/job/job-view.tsx";
import { EXACT } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty, Failed } from "../../parts/states.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { PlanView } from "./plan-view.tsx";

type Way = "new" | "swap" | "missing-rows" | "provider" | "undo";

const WAYS: Readonly<Record<Way, { readonly label: string; readonly description: string }>> = {
  new: {
    label: "Into a new database beside it",
    description: "Nothing that is there is touched. Look at it, then drop it.",
  },
  swap: {
    label: "In place of the live database",
    description: "It is restored and compared first; the old one is kept, and can be put back.",
  },
  "missing-rows": {
    label: "Only rows that are missing",
    description:
      "What is in the backup and, by primary key, no more in these tables is inserted, in one transaction.",
  },
  provider: {
    label: "As of a moment, by the managed service",
    description: "It makes a new cluster, which costs what a cluster costs.",
  },
  undo: {
    label: "Back to before the last restore",
    description: "The database that a restore in its place has replaced is put back.",
  },
};

const DOES: Readonly<Record<Way, string>> = {
  new: "Restore",
  swap: "Replace the live database",
  "missing-rows": "Do it",
  provider: "Do it",
  undo: "Put the old one back",
};

/** What, from when, to where; what would be done; then it is, and how to undo it. */
export function Restore(): ReactElement {
  const { database = "" } = useParams();
  const [given, give] = useSearchParams();
  const session = useQuery(sessionQuery());
  const query = useQuery(backupsQuery(database));
  // In the address, so that whoever loads the page again, or comes back to it, finds what was begun.
  const job = given.get("job");
  return (
    <>
      <PageTitle title={`Restore ${database}`} />
      {job !== null ? (
        <Begun id={job} again={() => give({})} />
      ) : session.data?.user == null || session.data.user.role === "admin" ? (
        <Answered query={query}>
          {({ databases: [listed] }) =>
            listed === undefined || (listed.backups.length === 0 && listed.provider === null) ? (
              <Empty title="There is no backup to restore">
                The first one is made by `handled backup {database}`.
              </Empty>
            ) : (
              <Flow
                key={given.toString()}
                database={database}
                backups={listed.backups.map(({ id, snapshotAt, proof }) => ({
                  value: id,
                  label: `${EXACT.format(new Date(snapshotAt))} · ${proof === null ? "not proven" : proof.outcome} · ${id}`,
                }))}
                backup={given.get("backup") ?? listed.backups[0]?.id ?? null}
                at={given.get("at")}
                way={given.get("way") === "undo" ? "undo" : undefined}
                onBegun={(id) => give({ job: id })}
                hasProvider={listed.provider !== null}
              />
            )
          }
        </Answered>
      ) : (
        <Empty title="Restoring takes an admin">You are signed in as {session.data.user.role}.</Empty>
      )}
    </>
  );
}

function Flow({
  database,
  backups,
  backup: first,
  at: moment,
  hasProvider,
  way: wayGiven,
  onBegun,
}: {
  readonly database: string;
  readonly backups: readonly { readonly value: string; readonly label: string }[];
  readonly backup: string | null;
  readonly at: string | null;
  readonly hasProvider: boolean;
  readonly way: "undo" | undefined;
  readonly onBegun: (id: string) => void;
}): ReactElement {
  const [way, setWay] = useState<Way>(wayGiven ?? (moment !== null && hasProvider ? "provider" : "new"));
  const [backup, setBackup] = useState(first);
  const [at, setAt] = useState(moment ?? "");
  const [name, setName] = useState("");
  const [tables, setTables] = useState("");
  const plan = usePlan();
  const start = useStartJob();
  const named = tables.split(/[\s,]+/).filter((table) => table !== "");
  const chosen = { database, backup: backup ?? "latest", at, name, tables: named };
  const ask = askOf(way, chosen);
  const change = <Value,>(set: (value: Value) => void): ((value: Value) => void) => {
    return (value) => {
      // What was planned is not what is chosen now.
      plan.reset();
      set(value);
    };
  };
  return (
    <Stack maw={760} gap="lg">
      <RunningJobs database={database} />
      <Radio.Group label="Where to" value={way} onChange={(value) => change(setWay)(value as Way)}>
        <Stack gap="xs" mt="xs">
          {(Object.keys(WAYS) as Way[])
            .filter((each) => each !== "provider" || hasProvider)
            .map((each) => (
              <Radio key={each} value={each} {...WAYS[each]} />
            ))}
        </Stack>
      </Radio.Group>
      {way === "undo" ? null : way === "provider" ? (
        <TextInput
          label="From when"
          description="A moment with its zone; empty: the service's newest backup"
          placeholder="2026-11-28T14:05:00Z"
          value={at}
          onChange={({ currentTarget }) => change(setAt)(currentTarget.value)}
        />
      ) : (
        <Select
          label="From when"
          data={[...backups]}
          value={backup}
          onChange={change(setBackup)}
          allowDeselect={false}
          searchable
          limit={200}
        />
      )}
      {way === "new" ? (
        <TextInput
          label="Name of the new database"
          description="Empty: one is made"
          value={name}
          onChange={({ currentTarget }) => change(setName)(currentTarget.value)}
        />
      ) : null}
      {way === "new" || way === "missing-rows" ? (
        <Textarea
          label={way === "new" ? "Only these tables" : "Tables that lost rows"}
          description={`Each written schema.table${way === "new" ? "; empty: all" : ""}`}
          required={way === "missing-rows"}
          autosize
          value={tables}
          onChange={({ currentTarget }) => change(setTables)(currentTarget.value)}
        />
      ) : null}
      <Group>
        <Button
          onClick={() => plan.mutate(ask)}
          loading={plan.isPending}
          disabled={way === "missing-rows" && named.length === 0}
          variant={plan.data === undefined ? "filled" : "default"}
        >
          What would be done?
        </Button>
      </Group>
      {plan.error === null ? null : <Failed error={plan.error} />}
      {plan.data === undefined ? null : (
        <Stack>
          <Title order={2} size="h4">
            What would be done
          </Title>
          <PlanView plan={plan.data} />
          {start.error === null ? null : <Failed error={start.error} />}
          <Confirm
            name={database}
            label={DOES[way]}
            needed={way !== "new"}
            pending={start.isPending}
            onConfirm={(confirm) =>
              start.mutate(
                { ...ask, ...(confirm === undefined ? {} : { confirm }) },
                { onSuccess: ({ id }) => onBegun(id) },
              )
            }
          />
        </Stack>
      )}
    </Stack>
  );
}

function askOf(
  way: Way,
  {
    database,
    backup,
    at,
    name,
    tables,
  }: {
    readonly database: string;
    readonly backup: string;
    readonly at: string;
    readonly name: string;
    readonly tables: string[];
  },
): Ask {
  switch (way) {
    case "new":
      return {
        kind: "restore",
        database,
        options: {
          backup,
          to: "new",
          ...(name === "" ? {} : { newDatabase: name }),
          ...(tables.length === 0 ? {} : { tables }),
        },
      };
    case "swap":
      return { kind: "restore", database, options: { backup, to: "swap" } };
    case "missing-rows":
      return { kind: "missing-rows", database, options: { backup, tables } };
    case "provider":
      return { kind: "provider-restore", database, options: at === "" ? {} : { at } };
    case "undo":
      return { kind: "undo-restore", database };
  }
}

/** What was begun, and what comes of it. */
function Begun({ id, again }: { readonly id: string; readonly again: () => void }): ReactElement {
  return (
    <Stack maw={760}>
      <JobView id={id} />
      <Group>
        <Button variant="default" onClick={again}>
          Another restore
        </Button>
      </Group>
    </Stack>
  );
}
