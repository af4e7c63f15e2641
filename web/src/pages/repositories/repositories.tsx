import { Alert, Card, Progress, Stack, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { counted, formatBytes, formatCount } from "../../../../src/lib/text.ts";
import { type Answer, repositoriesQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Fact } from "../../parts/fact.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

type Place = Answer<"repositories">["places"][number];

const COLUMNS: readonly Column<Place["databases"][number]>[] = [
  {
    title: "Database",
    cell: ({ database }) => <Link to={`/databases/${encodeURIComponent(database)}`}>{database}</Link>,
  },
  { title: "Stored", figure: true, cell: ({ storedBytes }) => formatBytes(storedBytes) },
  {
    title: "Backups",
    cell: ({ counts }) =>
      [
        ...(counts.snapshots === 0 ? [] : [counted(counts.snapshots, "snapshot")]),
        ...(counts.archives === 0 ? [] : [counted(counts.archives, "archive")]),
      ].join(", ") || "none",
  },
  { title: "Damaged", figure: true, cell: ({ counts }) => formatCount(counts.damaged) },
  {
    title: "Growth",
    figure: true,
    cell: ({ growth }) => (growth === null ? "" : `${formatBytes(growth.bytesPerDay)} a day`),
  },
  {
    title: "Saved by sharing",
    figure: true,
    cell: ({ deduplication }) =>
      deduplication === null || deduplication < 1.05 ? "" : `${deduplication.toFixed(1)} times smaller`,
  },
];

/** What backups take, where, and how fast that grows. */
export function Repositories(): ReactElement {
  const query = useQuery(repositoriesQuery());
  return (
    <>
      <PageTitle title="Repositories" />
      <Answered query={query}>
        {({ places, unread }) => (
          <Stack gap="md">
            {unread.map((reason) => (
              <Alert key={reason} color="red" title="A repository could not be read">
                {reason}
              </Alert>
            ))}
            {places.length === 0 && unread.length === 0 ? (
              <Empty title="There is no repository">The strategy names them under `repositories:`.</Empty>
            ) : null}
            {places.map((place) => (
              <PlaceCard key={place.place} place={place} />
            ))}
          </Stack>
        )}
      </Answered>
    </>
  );
}

function PlaceCard({ place }: { readonly place: Place }): ReactElement {
  const { storedBytes, freeBytes } = place;
  const share = freeBytes === null ? null : (storedBytes / (storedBytes + freeBytes)) * 100;
  return (
    <Card withBorder component="section" aria-label={place.place}>
      <Title order={2} size="h4" ff="monospace" className="wrap" mb="xs">
        {place.place}
      </Title>
      <dl className="facts">
        <Fact name="Stored">{formatBytes(storedBytes)}</Fact>
        <Fact name="Free">{freeBytes === null ? "a bucket has no end" : formatBytes(freeBytes)}</Fact>
        <Fact name="Growth">
          {place.growth === null ? "too little history" : `${formatBytes(place.growth.bytesPerDay)} a day`}
        </Fact>
        <Fact name="Full">{fullIn(place.daysUntilFull)}</Fact>
      </dl>
      {share === null ? null : (
        <Progress
          value={Math.max(0.5, share)}
          aria-label={`${share.toFixed(1)} % of what there was room for`}
          my="md"
        />
      )}
      <DataTable
        label="Databases"
        rows={place.databases}
        columns={COLUMNS}
        keyOf={({ database }) => database}
      />
    </Card>
  );
}

function fullIn(days: number | null): string {
  if (days === null) return "not foreseeable";
  return days === 0 ? "now, or in less than a day" : `in ${counted(days, "day")}`;
}
