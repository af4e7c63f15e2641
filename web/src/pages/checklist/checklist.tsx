import { Alert, Badge, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { type Answer, checklistQuery } from "../../api/queries.ts";
import { Ago } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

type Duty = Answer<"checklist">["duties"][number];

const PERIODS = ["daily", "weekly", "monthly", "quarterly"] as const;
const COLORS = { done: "green", open: "gray", overdue: "red" } as const;

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
      <Table.ScrollContainer minWidth={560}>
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Duty</Table.Th>
              <Table.Th>Database</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>Last</Table.Th>
              <Table.Th>Until</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {duties.map((duty) => (
              <Table.Tr key={`${duty.database} ${duty.name}`}>
                <Table.Td className="wrap">
                  <Text size="sm" fw={600}>
                    {duty.what}
                  </Text>
                  <Text size="xs" className="quiet">
                    {duty.name} · {duty.by === "machine" ? "done by the machine" : "done by a person"}
                    {duty.evidence === null ? "" : ` · ${duty.evidence}`}
                  </Text>
                </Table.Td>
                <Table.Td>{duty.database}</Table.Td>
                <Table.Td>
                  <Badge color={COLORS[duty.state]} autoContrast>
                    {duty.state}
                  </Badge>
                </Table.Td>
                <Table.Td>{duty.lastAt === null ? "never" : <Ago at={duty.lastAt} />}</Table.Td>
                <Table.Td>
                  <Ago at={duty.until} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}
