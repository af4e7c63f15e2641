import { Alert, Badge, Button, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactElement, type ReactNode } from "react";
import { Link } from "react-router";
import { mayAs } from "../../../../src/access/roles.ts";
import { type Answer, checklistQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Ago } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { RecordDone } from "./record-done.tsx";

type Duty = Answer<"checklist">["duties"][number];

const PERIODS = ["daily", "weekly", "monthly", "quarterly"] as const;
const COLORS = { done: "green", open: "blue", overdue: "red" } as const;

function columnsFor(mayRecord: boolean, record: (duty: Duty) => void): readonly Column<Duty>[] {
  return [
    {
      title: "Duty",
      width: "32%",
      cell: (duty) => (
        <>
          <Text size="sm" fw={600}>
            {duty.what}
          </Text>
          <Text size="xs" className="quiet">
            {duty.by === "machine" ? "done by the machine" : `${duty.name} · done by a person`}
          </Text>
        </>
      ),
    },
    {
      title: "Database",
      width: "13%",
      cell: ({ database }) => <Link to={`/databases/${encodeURIComponent(database)}`}>{database}</Link>,
    },
    {
      title: "State",
      width: "12%",
      cell: ({ state }) => (
        <Badge color={COLORS[state]} autoContrast>
          {state}
        </Badge>
      ),
    },
    {
      title: "Last",
      width: "23%",
      cell: (duty) =>
        duty.lastAt === null ? (
          "never"
        ) : (
          <>
            <Ago at={duty.lastAt} />
            <Text size="xs" className="quiet wrap" component="div">
              <Evidence duty={duty} />
            </Text>
          </>
        ),
    },
    { title: "Until", cell: ({ until }) => <Ago at={until} /> },
    ...(mayRecord
      ? [
          {
            title: "",
            cell: (duty: Duty) =>
              duty.by === "machine" ? null : (
                <Button
                  size="compact-sm"
                  variant={duty.state === "done" ? "default" : "filled"}
                  aria-label={`Record … ${duty.name} as done`}
                  onClick={() => record(duty)}
                >
                  Record …
                </Button>
              ),
          },
        ]
      : []),
  ];
}

const BACKUP = /^\d{8}T\d{6}Z-[0-9a-f]{4}$/;

/** What shows that a duty was done: of a machine's the backup or run; of a person's who they are and what they said. */
function Evidence({ duty: { by, name, database, evidence } }: { readonly duty: Duty }): ReactNode {
  if (by === "person" || evidence === null) return evidence;
  const to = BACKUP.test(evidence)
    ? `/databases/${encodeURIComponent(database)}/backups/${evidence}`
    : name.startsWith("drill ")
      ? "/recovery"
      : `/activity?${new URLSearchParams({ database })}`;
  return <Link to={to}>{evidence}</Link>;
}

const keyOf = ({ database, name }: Duty): string => `${database} ${name}`;

/** What is to be done, by machines and by people, and what is. */
export function Checklist(): ReactElement {
  const query = useQuery(checklistQuery());
  const { data: session } = useQuery(sessionQuery());
  const [recorded, record] = useState<Duty | null>(null);
  const columns = columnsFor(mayAs(session?.user?.role ?? "viewer", "operator"), record);
  return (
    <>
      <PageTitle title="Checklist" />
      {recorded === null ? null : (
        <RecordDone duty={recorded.name} what={recorded.what} onClose={() => record(null)} />
      )}
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
              <Period
                key={period}
                period={period}
                duties={duties.filter(({ every }) => every === period)}
                columns={columns}
              />
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
  columns,
}: {
  readonly period: string;
  readonly duties: readonly Duty[];
  readonly columns: readonly Column<Duty>[];
}): ReactElement | null {
  if (duties.length === 0) return null;
  return (
    <section aria-label={period}>
      <Title order={2} size="h4" tt="capitalize" mb="xs">
        {period}
      </Title>
      <DataTable label={`${period} duties`} rows={duties} columns={columns} keyOf={keyOf} />
    </section>
  );
}
