import { Alert, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { type Answer, overviewQuery, daysQuery } from "../../api/queries.ts";
import { FindingList, type Finding } from "../../parts/finding-list.tsx";
import { Ago, Moment, useNow } from "../../parts/moment.tsx";
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

// It looks every five minutes; then `/healthz` says the same.
const STALE_MS = 15 * 60_000;

function Verdict({ status }: { readonly status: Status }): ReactElement {
  const now = useNow(15_000);
  const of = status.databases.map((database) => ({ database, ...protectionOf(database) }));
  const [lost, broken, wanting] = [
    of.filter(({ comesBack }) => !comesBack),
    of.filter(({ level, comesBack }) => level === "unprotected" && comesBack),
    of.filter(({ level }) => level === "at risk"),
  ].map((some) => some.map(({ database }) => database.database).join(", ")) as [string, string, string];
  if (now - Date.parse(status.at) > STALE_MS)
    return (
      <Alert
        color="red"
        icon={<IconShieldX aria-hidden />}
        title="How it is now nobody knows: what is below is old"
      >
        No look of the daemon has come to an end since <Moment at={status.at} />, or the clock of this browser
        is not that of the daemon. Its log says what keeps it.
      </Alert>
    );
  if (lost === "" && broken === "" && wanting === "" && status.problems.length === 0)
    return (
      <Alert color="teal" icon={<IconShieldCheck aria-hidden />} title="Everything could be brought back">
        <AsOf status={status} />
      </Alert>
    );
  // Of a place, say, that is full.
  const grave = status.problems.some(({ severity }) => severity === "critical");
  const allProven = status.databases.every(({ provenPoint }) => provenPoint !== null);
  const title =
    lost !== ""
      ? `Not everything could be brought back: ${lost}`
      : broken !== "" || grave
        ? `${allProven ? "All could be brought back, but not" : "Not"} all is as promised${broken === "" ? "" : `: ${broken}`}`
        : `Something needs a look${wanting === "" ? "" : `: ${wanting}`}`;
  return (
    <Alert
      color={lost !== "" || broken !== "" || grave ? "red" : "orange"}
      icon={<IconShieldX aria-hidden />}
      title={title}
    >
      {lost === "" ? <AsOf status={status} /> : null} Why stands below, and what to do among the findings.
    </Alert>
  );
}

/** As of when all could be brought back, where each could. */
function AsOf({ status: { databases } }: { readonly status: Status }): ReactElement {
  const proven = databases.flatMap(({ provenPoint }) => provenPoint?.at ?? []).toSorted();
  if (proven.length < databases.length) {
    const [oldest = ""] = databases.flatMap(({ newestPoint }) => newestPoint?.at ?? []).toSorted();
    return (
      <>
        Each database has a backup as of <Moment at={oldest} />, or later; not of each was one restored and
        compared.
      </>
    );
  }
  return (
    <>
      Each database as of <Moment at={proven[0] ?? ""} />, or later: from backups that were restored and
      compared.
    </>
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
