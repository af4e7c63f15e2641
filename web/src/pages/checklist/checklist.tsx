import { Alert, Badge, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { type Answer, checklistQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Ago } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

type Duty = Answer<"checklist">["duties"][number];

const PERIODS = ["daily", "weekly", "monthly", "quarterly"] as const;
const COLORS = { done: "green", open: "blue", overdue: "red" } as const;

const COLUMNS: readonly Column<Duty>[] = [
  {
    title: "Duty",
    cell: ({ what, name, by, evidence }) => (
      <>
        <Text size="sm" fw={600}>
          {what}
        </Text>
        <Text size="xs" className="quiet">
          {name} · {by === "machine" ? "done by the machine" : "done by a person"}
          {evidence === null ? "" : ` · ${evidence}`}
        </Text>
      </>
    ),
  },
  { title: "Database", cell: ({ database }) => database },
  {
    title: "State",
    cell: ({ state }) => (
      <Badge color={COLORS[state]} autoContrast>
        {state}
      </Badge>
    ),
  },
  { title: "Last", cell: ({ lastAt }) => (lastAt === null ? "never" : <Ago at={lastAt} />) },
  { title: "Until", cell: ({ until }) => <Ago at={until} /> },
];

const keyOf = ({ database, name }: Duty): string => `${database} ${name}`;

/** What is to be done, by machines and by people, and what is. */
export function Checklist(): ReactElement {
  const query = useQuery(checklistQuery());
  return (
    <>
      <PageTitle title="Checklist" />
      <Answered query={query}>
        {({ duties, unread }) => (
          <Stack gap="lg">
            {unread.map((reason) => (
              <Alert key={reason} color="orange" title="Not everything could be read">
                {reason}
              </Alert>
            ))}
            {duties.length === 0 ? (
              <Empty title="There are no duties">`duties:` in the strategy names them.</Empty>
            ) : null}
            {PERIODS.map((period) => (
              <Period key={period} period={period} duties={duties.filter(({ every }) => every === period)} />
            ))}
          </Stack>
        )}
      </Answered>
    </>
  );
}

function Period({
  period,
  duties,
}: {
  readonly period: string;
  readonly duties: readonly Duty[];
}): ReactElement | null {
  if (duties.length === 0) return null;
  return (
    <section aria-label={period}>
      <Title order={2} size="h4" tt="capitalize" mb="xs">
        {period}
      </Title>
      <DataTable label={`${period} duties`} rows={duties} columns={COLUMNS} keyOf={keyOf} />
    </section>
  );
}
