import { Alert, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { type Answer, overviewQuery, daysQuery } from "../../api/queries.ts";
import { FindingList, type Finding } from "../../parts/finding-list.tsx";
import { Ago, Moment } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";
import { DatabaseCard } from "./database-card.tsx";
import { DayStrip } from "./day-strip.tsx";
import { protectionOf } from "./protection.ts";

type Status = Answer<"overview">;

/** One glance: could everything be brought back, and as of when. */
export function Overview(): ReactElement {
  const query = useQuery(overviewQuery());
  const days = useQuery(daysQuery());
  return (
    <>
      <PageTitle title="Overview">
        {query.data === undefined ? null : (
          <Text size="sm" className="quiet">
            Looked at <Ago at={query.data.at} />
          </Text>
        )}
      </PageTitle>
      <Answered query={query}>
        {(status) =>
          status.databases.length === 0 ? (
            <Empty title="No database is in the strategy">`handled init` writes one.</Empty>
          ) : (
            <Stack gap="lg">
              <Verdict status={status} />
              <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }} spacing="md">
                {status.databases.map((database) => (
                  <DatabaseCard key={database.database} database={database}>
                    <DayStrip of={days.data?.databases.find((of) => of.database === database.database)} />
                  </DatabaseCard>
                ))}
              </SimpleGrid>
              <Findings findings={findingsOf(status)} />
            </Stack>
          )
        }
      </Answered>
    </>
  );
}

function Verdict({ status }: { readonly status: Status }): ReactElement {
  const unprotected = status.databases.filter((database) => protectionOf(database).level !== "protected");
  if (unprotected.length === 0) {
    const [oldest = ""] = status.databases.map(({ provenPoint }) => provenPoint?.at ?? "").toSorted();
    return (
      <Alert color="teal" icon={<IconShieldCheck aria-hidden />} title="Everything could be brought back">
        Each database as of <Moment at={oldest} />, or later: from backups that were restored and compared.
      </Alert>
    );
  }
  const names = unprotected.map(({ database }) => database).join(", ");
  const lost = unprotected.some((database) => protectionOf(database).level === "unprotected");
  return (
    <Alert
      color={lost ? "red" : "orange"}
      icon={<IconShieldX aria-hidden />}
      title={lost ? `Not everything could be brought back: ${names}` : `Something needs a look: ${names}`}
    >
      What is wrong, and what to do, stands below.
    </Alert>
  );
}

function Findings({ findings }: { readonly findings: readonly Finding[] }): ReactElement {
  return (
    <section aria-labelledby="findings">
      <Title order={2} size="h4" mb="sm" id="findings">
        Findings
      </Title>
      {findings.length === 0 ? (
        <Empty title="Nothing is wrong">What is found is shown here until it is mended.</Empty>
      ) : (
        <FindingList findings={findings} />
      )}
    </section>
  );
}

function findingsOf({ problems, notices, databases }: Status): Finding[] {
  const own = [...problems, ...notices].map((finding) => ({ ...finding, database: null }));
  const theirs = databases.flatMap(({ database, ...of }) =>
    [...of.problems, ...of.notices].map((finding) => ({ ...finding, database })),
  );
  return [...own, ...theirs];
}
