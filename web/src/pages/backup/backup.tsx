import { Badge, Card, Group, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useParams } from "react-router";
import { formatBytes, formatCount, formatDuration } from "../../../../src/lib/text.ts";
import { type Answer, backupQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Fact } from "../../parts/fact.tsx";
import { EXACT, Moment } from "../../parts/moment.tsx";
import { PageTitle } from "../../parts/page-title.tsx";
import { ProofBadge } from "../../parts/proof-badge.tsx";
import { Answered } from "../../parts/states.tsx";
import { Actions } from "../database/actions.tsx";
import { Difference } from "./difference.tsx";

type Details = Exclude<Answer<"backup">, { kind: "provider" }>;
type ProviderDetails = Extract<Answer<"backup">, { kind: "provider" }>;

/** One backup: what is in it, whether it comes back, and where it lies. */
export function Backup(): ReactElement {
  const { database = "", id = "" } = useParams();
  const query = useQuery(backupQuery(database, id));
  return (
    <>
      <PageTitle title={titleOf(database, query.data)}>
        {query.data === undefined || query.data.kind === "provider" ? null : (
          <Actions database={database} backup={query.data.id} />
        )}
      </PageTitle>
      <Answered query={query}>
        {(backup) =>
          backup.kind === "provider" ? (
            <ProviderFacts backup={backup} />
          ) : (
            <Stack gap="lg">
              <Facts backup={backup} />
              <Difference database={database} id={backup.id} />
              <Tables backup={backup} />
            </Stack>
          )
        }
      </Answered>
    </>
  );
}

/** One that the managed service has made; what is in it, it does not tell. */
function ProviderFacts({ backup }: { readonly backup: ProviderDetails }): ReactElement {
  return (
    <Card withBorder>
      <dl className="facts">
        <Fact name="Brings back">
          <Moment at={backup.createdAt} exact />
        </Fact>
        <Fact name="Size">{formatBytes(backup.bytes)}</Fact>
        <Fact name="Of the cluster">
          {backup.cluster}, {backup.region}
        </Fact>
        <Fact name="Restored and checked">
          {backup.provenAt === null ? "never" : <Moment at={backup.provenAt} exact />}
        </Fact>
      </dl>
    </Card>
  );
}

/** Whose it is, and what it brings back. */
function titleOf(database: string, backup: Answer<"backup"> | undefined): string {
  if (backup === undefined) return database;
  const at = backup.kind === "provider" ? backup.createdAt : backup.snapshotAt;
  return `${database}, ${EXACT.format(new Date(at))}`;
}

function Facts({ backup }: { readonly backup: Details }): ReactElement {
  const { proof, snapshot, retention } = backup;
  return (
    <Card withBorder>
      <Group mb="sm">
        <ProofBadge proof={proof} />
        <Badge variant="default">{backup.kind}</Badge>
        <Text size="sm" ff="monospace" className="quiet wrap">
          {backup.id}
        </Text>
      </Group>
      <dl className="facts">
        <Fact name="Brings back">
          <Moment at={backup.snapshotAt} exact />
        </Fact>
        <Fact name="Durable since">
          <Moment at={backup.finishedAt} exact />
        </Fact>
        <Fact name="Took">{formatDuration(backup.durationMs)}</Fact>
        <Fact name="Rows">{formatCount(backup.rows)}</Fact>
        <Fact name="Size">{formatBytes(backup.bytes)}</Fact>
        <Fact name="Added to the repository">{formatBytes(backup.storedBytes)}</Fact>
        {snapshot === null ? null : (
          <>
            <Fact name="Read from the server">{formatBytes(snapshot.readBytes)}</Fact>
            <Fact name="Taken from the last snapshot">{formatBytes(snapshot.reusedBytes)}</Fact>
            <Fact name="All it names">{formatBytes(snapshot.namedBytes)}</Fact>
          </>
        )}
        <Fact name="Server">PostgreSQL {backup.serverVersion}</Fact>
        <Fact name="Asked for by">{backup.schedule ?? "somebody, by hand"}</Fact>
        <Fact name="Retention">
          {retention === null
            ? "not known"
            : `${retention.keep ? "stays" : "goes"}: ${retention.reasons.join(", ")}`}
        </Fact>
      </dl>
      <Title order={2} size="h5" mt="md" mb={4}>
        Places
      </Title>
      {backup.places.map((place) => (
        <Text key={place} size="sm" ff="monospace" className="wrap">
          {place}
        </Text>
      ))}
      {snapshot?.fullRead == null ? null : (
        <Text size="sm" className="quiet" mt="sm">
          Nothing was reused: {snapshot.fullRead}.
        </Text>
      )}
    </Card>
  );
}

const TABLE_COLUMNS: readonly Column<Details["tableDetails"][number]>[] = [
  {
    title: "Table",
    cell: ({ schema, name, note }) => (
      <>
        {schema}.{name}
        {note === null ? null : (
          <Text size="xs" className="quiet">
            {note}
          </Text>
        )}
      </>
    ),
  },
  { title: "Rows", figure: true, cell: ({ rows }) => (rows === null ? "" : formatCount(rows)) },
  { title: "Size", figure: true, cell: ({ bytes }) => formatBytes(bytes) },
  { title: "Read", figure: true, cell: ({ read }) => (read === null ? "" : formatBytes(read.bytes)) },
  { title: "Reused", figure: true, cell: ({ reused }) => (reused === null ? "" : formatBytes(reused.bytes)) },
  {
    title: "Digest",
    cell: ({ digest }) => (digest === null ? "" : <code title={digest}>{digest.slice(0, 10)}</code>),
  },
];

function Tables({ backup }: { readonly backup: Details }): ReactElement {
  return (
    <section aria-labelledby="tables">
      <Title order={2} size="h4" mb="xs" id="tables">
        Tables
      </Title>
      <DataTable
        label="Tables"
        rows={backup.tableDetails}
        columns={TABLE_COLUMNS}
        keyOf={({ schema, name }) => `${schema}.${name}`}
      />
    </section>
  );
}
