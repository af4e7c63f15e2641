import { Badge, Button, Stack, Text } from "@mantine/core";
import { type ReactElement, useState } from "react";
import { Link } from "react-router";
import { formatBytes, formatCount, formatDuration } from "../../../../src/lib/text.ts";
import type { Answer } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Ago } from "../../parts/moment.tsx";
import { ProofBadge } from "../../parts/proof-badge.tsx";

type Backup = Answer<"backups">["databases"][number]["backups"][number];

const columns = (database: string): readonly Column<Backup>[] => [
  {
    title: "Brings back",
    cell: ({ snapshotAt, id, kind }) => (
      <>
        <Ago at={snapshotAt} />
        <Text size="xs" component="div">
          <Link to={`/databases/${encodeURIComponent(database)}/backups/${id}`}>{id}</Link>{" "}
          <Badge size="xs" variant="default">
            {kind}
          </Badge>
        </Text>
      </>
    ),
  },
  { title: "Proof", cell: ({ proof }) => <ProofBadge proof={proof} /> },
  { title: "Rows", figure: true, cell: ({ rows }) => formatCount(rows) },
  { title: "Size", figure: true, cell: ({ bytes }) => formatBytes(bytes) },
  { title: "Added", figure: true, cell: ({ storedBytes }) => formatBytes(storedBytes) },
  { title: "Took", figure: true, cell: ({ durationMs }) => formatDuration(durationMs) },
  { title: "Places", figure: true, cell: ({ places }) => formatCount(places.length) },
];

// There may be tens of thousands of them.
const PAGE = 50;

/** Newest first; older ones when they are asked for. */
export function BackupTable({
  database,
  backups,
}: {
  readonly database: string;
  readonly backups: readonly Backup[];
}): ReactElement {
  const [shown, show] = useState(PAGE);
  return (
    <Stack>
      <DataTable
        label="Backups"
        rows={backups.slice(0, shown)}
        columns={columns(database)}
        keyOf={({ id }) => id}
      />
      {backups.length <= shown ? null : (
        <Button variant="default" onClick={() => show(shown + PAGE)}>
          Show older ones
        </Button>
      )}
    </Stack>
  );
}
