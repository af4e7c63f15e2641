import { Alert, Card, Group, Progress, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { formatBytes, formatCount } from "../../../../src/lib/text.ts";
import { type Answer, repositoriesQuery } from "../../api/queries.ts";
import { PageTitle } from "../../parts/page-title.tsx";
import { Answered, Empty } from "../../parts/states.tsx";

type Place = Answer<"repositories">["places"][number];

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
      <Group gap="xl" mb="sm">
        <Figure name="Stored" value={formatBytes(storedBytes)} />
        <Figure name="Free" value={freeBytes === null ? "a bucket has no end" : formatBytes(freeBytes)} />
        <Figure
          name="Growth"
          value={
            place.growth === null ? "too little history" : `${formatBytes(place.growth.bytesPerDay)} a day`
          }
        />
        <Figure
          name="Full"
          value={
            place.daysUntilFull === null ? "not foreseeable" : `in ${formatCount(place.daysUntilFull)} days`
          }
        />
      </Group>
      {share === null ? null : (
        <Progress
          value={Math.max(0.5, share)}
          aria-label={`${share.toFixed(1)} % of what there was room for`}
          mb="md"
        />
      )}
      <Table.ScrollContainer minWidth={520}>
        <Table verticalSpacing="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Database</Table.Th>
              <Table.Th>Stored</Table.Th>
              <Table.Th>Backups</Table.Th>
              <Table.Th>Damaged</Table.Th>
              <Table.Th>Growth</Table.Th>
              <Table.Th>Saved by sharing</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {place.databases.map(({ database, counts, growth, deduplication, ...of }) => (
              <Table.Tr key={database}>
                <Table.Td>
                  <Link to={`/databases/${encodeURIComponent(database)}`}>{database}</Link>
                </Table.Td>
                <Table.Td>{formatBytes(of.storedBytes)}</Table.Td>
                <Table.Td>
                  {formatCount(counts.snapshots)} snapshots, {formatCount(counts.archives)} archives
                </Table.Td>
                <Table.Td>{formatCount(counts.damaged)}</Table.Td>
                <Table.Td>{growth === null ? "" : `${formatBytes(growth.bytesPerDay)} a day`}</Table.Td>
                <Table.Td>
                  {deduplication === null ? "" : `${deduplication.toFixed(1)} times smaller`}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function Figure({ name, value }: { readonly name: string; readonly value: string }): ReactElement {
  return (
    <div>
      <Text size="xs" className="quiet">
        {name}
      </Text>
      <Text fw={600}>{value}</Text>
    </div>
  );
}
