import { Badge, Table, Text } from "@mantine/core";
import type { ReactElement } from "react";
import { Link } from "react-router";
import { formatBytes, formatCount, formatDuration } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";
import { Ago } from "../../parts/moment.tsx";
import { ProofBadge } from "../../parts/proof-badge.tsx";

type Backup = Answer<"backups">["databases"][number]["backups"][number];

export function BackupTable({
  database,
  backups,
}: {
  readonly database: string;
  readonly backups: readonly Backup[];
}): ReactElement {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="xs" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Brings back</Table.Th>
            <Table.Th>Proof</Table.Th>
            <Table.Th>Rows</Table.Th>
            <Table.Th>Size</Table.Th>
            <Table.Th>Added</Table.Th>
            <Table.Th>Took</Table.Th>
            <Table.Th>Places</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {backups.map((backup) => (
            <Table.Tr key={backup.id}>
              <Table.Td>
                <Ago at={backup.snapshotAt} />
                <Text size="xs" className="nowrap">
                  <Link to={`/databases/${encodeURIComponent(database)}/backups/${backup.id}`}>
                    {backup.id}
                  </Link>{" "}
                  <Badge size="xs" variant="default">
                    {backup.kind}
                  </Badge>
                </Text>
              </Table.Td>
              <Table.Td>
                <ProofBadge proof={backup.proof} />
              </Table.Td>
              <Table.Td>{formatCount(backup.rows)}</Table.Td>
              <Table.Td className="nowrap">{formatBytes(backup.bytes)}</Table.Td>
              <Table.Td className="nowrap">{formatBytes(backup.storedBytes)}</Table.Td>
              <Table.Td className="nowrap">{formatDuration(backup.durationMs)}</Table.Td>
              <Table.Td>{backup.places.length}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
