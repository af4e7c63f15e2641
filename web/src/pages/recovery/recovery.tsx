import { Accordion, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useSearchParams } from "react-router";
import { recoveriesQuery, scenariosQuery } from "../../api/queries.ts";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { DrillTable, oneEach } from "./drill-table.tsx";
import { keyOf, type Scenario } from "./scenario.ts";
import { ScenarioItem } from "./scenario-item.tsx";

/** The ways out of each disaster, and how often they were walked. Which are open stands in the address. */
export function Recovery(): ReactElement {
  const scenarios = useQuery(scenariosQuery());
  const recoveries = useQuery(recoveriesQuery({ last: 100 }));
  const [shown, show] = useSearchParams();
  const drills = oneEach(recoveries.data?.databases.flatMap((of) => of.drills) ?? []);
  const open = shown.getAll("open");
  return (
    <>
      <PageTitle title="Recovery" />
      <Stack gap="xl">
        <Answered query={scenarios}>
          {(answer) =>
            answer.scenarios.length === 0 ? (
              <Empty title="No database is in the strategy">`handled init` writes one.</Empty>
            ) : (
              <Accordion
                multiple
                variant="separated"
                // What is drawn needs its width at once.
                transitionDuration={0}
                order={3}
                value={open}
                onChange={(keys) =>
                  show(new URLSearchParams(keys.map((key) => ["open", key])), { replace: true })
                }
              >
                <Stack gap="lg">
                  {groupsOf(answer.scenarios).map(([name, group]) => (
                    <section key={name} aria-label={name}>
                      <Title order={2} size="h4" mb="xs" className="wrap">
                        {name}
                      </Title>
                      <Stack gap={0}>
                        {group.map((scenario) => (
                          <ScenarioItem
                            key={keyOf(scenario)}
                            scenario={scenario}
                            drills={drills}
                            open={open.includes(keyOf(scenario))}
                          />
                        ))}
                      </Stack>
                    </section>
                  ))}
                </Stack>
              </Accordion>
            )
          }
        </Answered>
        <section aria-labelledby="history">
          <Title order={2} size="h4" mb="xs" id="history">
            Drills and recoveries
          </Title>
          <Answered query={recoveries}>
            {({ databases }) => (
              <>
                {databases.flatMap(({ unread }) =>
                  unread.map((reason) => (
                    <Text key={reason} size="sm" className="wrap" role="alert">
                      Not everything could be read: {reason}
                    </Text>
                  )),
                )}
                {drills.length === 0 ? (
                  <Empty title="Nothing was rehearsed yet">
                    <Text size="sm">A drill runs a plan on throw-away ground, and measures it.</Text>
                  </Empty>
                ) : (
                  <DrillTable drills={drills} />
                )}
              </>
            )}
          </Answered>
        </section>
      </Stack>
    </>
  );
}

/** By database; what concerns several has a group of its own, the last. */
function groupsOf(scenarios: readonly Scenario[]): readonly (readonly [string, readonly Scenario[]])[] {
  const nameOf = ({ scenario, databases }: Scenario): string =>
    scenario === "everything-lost" || scenario === "together" ? "Several databases" : databases.join(", ");
  return [...Map.groupBy(scenarios, nameOf)];
}
