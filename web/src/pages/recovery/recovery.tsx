import { Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { recoveriesQuery } from "../../api/queries.ts";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { Rehearse } from "./rehearse.tsx";
import { DrillTable, oneEach } from "./drill-table.tsx";

/** The ways out of each disaster, and how often they were walked. */
export function Recovery(): ReactElement {
  const query = useQuery(recoveriesQuery({ last: 100 }));
  return (
    <>
      <PageTitle title="Recovery" />
      <Stack gap="lg">
        <Rehearse />
        <section aria-labelledby="history">
          <Title order={2} size="h4" mb="xs" id="history">
            Drills and recoveries
          </Title>
          <Answered query={query}>
            {({ databases }) => {
              const drills = oneEach(databases.flatMap((of) => of.drills));
              return drills.length === 0 ? (
                <Empty title="Nothing was rehearsed yet">
                  <Text size="sm">A drill runs a plan on throw-away ground, and measures it.</Text>
                </Empty>
              ) : (
                <DrillTable drills={drills} />
              );
            }}
          </Answered>
        </section>
      </Stack>
    </>
  );
}
