import { Alert, Badge, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState, type ReactElement } from "react";
import { useSearchParams } from "react-router";
import { formatCount } from "../../../../src/lib/text.ts";
import { auditCheckQuery, auditQuery, type Entry } from "../../api/settings.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Moment } from "../../parts/moment.tsx";
import { Answered, Empty, Failed } from "../../parts/states.tsx";
import { SettingsSection } from "./frame.tsx";

// Between two letters that somebody types.
const PAUSE_MS = 250;

const COLUMNS: readonly Column<Entry>[] = [
  { title: "When", cell: ({ at }) => <Moment at={at} exact /> },
  { title: "Who", cell: ({ who }) => who },
  { title: "What", cell: ({ what }) => what },
  { title: "To what", cell: ({ subject }) => subject },
  { title: "From", cell: ({ source }) => source },
];

/** Who did what, when, and from where. */
export function AuditSettings(): ReactElement {
  return (
    <SettingsSection>
      {() => (
        <Stack>
          <Whole />
          <Log />
        </Stack>
      )}
    </SettingsSection>
  );
}

/** Whether the log is as it was written. */
function Whole(): ReactElement | null {
  const { data, error, isFetching, refetch } = useQuery(auditCheckQuery());
  if (error !== null) return <Failed error={error} again={() => void refetch()} />;
  if (data === undefined) return null;
  const { entries, broken } = data;
  if (broken !== null) {
    return (
      <Alert color="red" title="The log was tampered with" role="alert">
        <Text size="sm" className="wrap">
          {broken}. What stands after it cannot be relied on; `handled audit --verify` compares it with the
          copies in the repositories.
        </Text>
      </Alert>
    );
  }
  return (
    <Group gap="sm">
      <Badge color="green" autoContrast>
        unbroken
      </Badge>
      <Text size="sm" className="quiet">
        {formatCount(entries)} entries, each with the hash of the one before it, are as they were written.
      </Text>
      <Button size="compact-sm" variant="default" loading={isFetching} onClick={() => void refetch()}>
        Check again
      </Button>
    </Group>
  );
}

function Log(): ReactElement {
  const [chosen, choose] = useSearchParams();
  const [like, setLike] = useState({ who: chosen.get("who") ?? "", what: chosen.get("what") ?? "" });
  const [asked] = useDebouncedValue(like, PAUSE_MS);
  const query = useInfiniteQuery({ ...auditQuery(asked), placeholderData: keepPreviousData });
  const set = (name: "who" | "what", value: string): void => {
    const next = { ...like, [name]: value };
    setLike(next);
    choose(
      Object.entries(next).filter(([, part]) => part !== ""),
      { replace: true },
    );
  };
  return (
    <>
      <Group>
        <TextInput
          label="Who"
          placeholder="everybody"
          value={like.who}
          onChange={({ currentTarget }) => set("who", currentTarget.value)}
        />
        <TextInput
          label="What"
          placeholder="everything"
          value={like.what}
          onChange={({ currentTarget }) => set("what", currentTarget.value)}
        />
      </Group>
      <Answered query={query}>
        {({ pages }) => {
          const entries = pages.flatMap((page) => page.entries);
          return entries.length === 0 ? (
            <Empty title="Nothing of the kind was done" />
          ) : (
            <DataTable label="Audit log" rows={entries} columns={COLUMNS} keyOf={({ seq }) => String(seq)} />
          );
        }}
      </Answered>
      {query.hasNextPage ? (
        <Button
          variant="default"
          loading={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          Show older ones
        </Button>
      ) : null}
    </>
  );
}
