import { Table } from "@mantine/core";
import type { ReactElement, ReactNode } from "react";

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** For figures, that they stand below one another. */
  readonly figure?: true;
  /** Its share of the table, `20%`, where tables below one another are to line up. */
  readonly width?: string;
}

/** A table; where there is no room for one beside the other, each row is a small card with the columns' titles. */
export function DataTable<Row>({
  label,
  rows,
  columns,
  keyOf,
}: {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
}): ReactElement {
  return (
    <Table
      verticalSpacing="xs"
      className="stacking"
      aria-label={label}
      layout={columns.some(({ width }) => width !== undefined) ? "fixed" : "auto"}
    >
      <Table.Thead>
        <Table.Tr>
          {columns.map(({ title, figure, width }) => (
            <Table.Th key={title} data-figure={figure} w={width}>
              {title}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={keyOf(row)}>
            {columns.map(({ title, cell, figure }) => (
              <Table.Td key={title} data-title={title} data-figure={figure}>
                <div>{cell(row)}</div>
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
