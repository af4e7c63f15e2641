import { Alert, Select, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { useSearchParams } from "react-router";
import { counted, formatBytes, formatCount } from "../../../../src/lib/text.ts";
import { type Answer, backupsQuery, diffQuery } from "../../api/queries.ts";
import { type Column, DataTable } from "../../parts/data-table.tsx";
import { Answered } from "../../parts/states.tsx";

type Diff = Answer<"diff">;
type Table = Diff["tables"][number];
type Facts = NonNullable<Table["first"]>;

const AT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const COLUMNS: readonly Column<Table>[] = [
  { title: "Table", cell: ({ schema, name }) => `${schema}.${name}` },
  { title: "Rows", figure: true, cell: (table) => change(table, ({ rows }) => rows, formatCount) },
  { title: "More or fewer", cell: rowsMore },
  { title: "Size", figure: true, cell: (table) => change(table, ({ bytes }) => bytes, formatBytes) },
  { title: "Changed", cell: changedRanges },
];

/** What differs between this backup and another one that is chosen; which stands in the address. */
export function Difference({
  database,
  id,
}: {
  readonly database: string;
  readonly id: string;
}): ReactElement {
  const [chosen, choose] = useSearchParams();
  const other = chosen.get("with");
  const backups = useQuery(backupsQuery(database));
  const query = useQuery({ ...diffQuery(database, other ?? "", id), enabled: other !== null });
  const all = backups.data?.databases.flatMap((of) => of.backups) ?? [];
  return (
    <section aria-labelledby="difference">
      <Title order={2} size="h4" mb="xs" id="difference">
        What changed since another
      </Title>
      <Stack>
        <Select
          label="Compared with"
          placeholder="choose a backup"
          clearable
          searchable
          limit={200}
          maw={420}
          data={all
            .filter((backup) => backup.id !== id)
            .map((backup) => ({
              value: backup.id,
              label: `${AT.format(new Date(backup.snapshotAt))}, ${backup.kind} ${backup.id}`,
            }))}
          value={other}
          onChange={(value) => choose(value === null ? {} : { with: value }, { replace: true })}
        />
        {other === null ? null : <Answered query={query}>{(diff) => <Differences diff={diff} />}</Answered>}
      </Stack>
    </section>
  );
}

function Differences({ diff }: { readonly diff: Diff }): ReactElement {
  const different = diff.tables.filter(({ same }) => same === false);
  const same = diff.tables.filter((table) => table.same === true).length;
  const also = [
    ...diff.sequences.map(
      ({ schema, name, first, second }) =>
        `sequence ${schema}.${name}: ${first ?? "none"} → ${second ?? "none"}`,
    ),
    ...new Set([diff.definitions, diff.properties].flatMap(namesOf)),
  ];
  return (
    <Stack gap="sm">
      <Text size="sm">
        {diff.equal === true
          ? "Both are the same."
          : diff.equal === null
            ? "No difference was found in what could be compared."
            : `${counted(different.length, "table")} of ${formatCount(diff.tables.length)} differ${different.length === 1 ? "s" : ""}; ${formatCount(same)} ${same === 1 ? "has" : "have"} the same rows.`}
      </Text>
      {different.length === 0 ? null : (
        <DataTable
          label="Tables that differ"
          rows={different}
          columns={COLUMNS}
          keyOf={({ schema, name }) => `${schema}.${name}`}
        />
      )}
      {also.length === 0 ? null : (
        <ul>
          {also.map((line) => (
            <li key={line} className="wrap">
              {line}
            </li>
          ))}
        </ul>
      )}
      {diff.notCompared.length === 0 ? null : (
        <Alert color="gray" title="Not compared">
          {diff.notCompared.map(({ what, reason }) => (
            <Text key={what} size="sm" className="wrap">
              {what}: {reason}
            </Text>
          ))}
        </Alert>
      )}
    </Stack>
  );
}

function change(
  { first, second }: Table,
  of: (facts: Facts) => number | null,
  format: (value: number) => string,
): string {
  const say = (facts: Table["first"]): string => {
    const value = facts === null ? "none" : of(facts);
    return value === null ? "not known" : typeof value === "string" ? value : format(value);
  };
  const [before, after] = [say(first), say(second)];
  return before === after ? before : `${before} → ${after}`;
}

function rowsMore({ first, second }: Table): string {
  if (first === null) return "new";
  if (second === null) return "gone";
  const more = (second.rows ?? 0) - (first.rows ?? 0);
  if (more === 0) return "as many, others";
  return more > 0 ? `${formatCount(more)} more` : `${formatCount(-more)} fewer`;
}

function changedRanges({ ranges }: Table): string {
  if (ranges === null || ranges.total === null) return "";
  return `${formatCount(ranges.changed.length)} of ${counted(ranges.total, "range")}`;
}

function namesOf(names: Diff["definitions"]): readonly string[] {
  if (names === null) return [];
  return [
    ...names.changed.map((name) => `${name} is defined otherwise`),
    ...names.onlyFirst.map((name) => `${name} is gone`),
    ...names.onlySecond.map((name) => `${name} is new`),
  ];
}
