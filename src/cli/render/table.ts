import { columnsOf } from "../../lib/columns.ts";

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

const BETWEEN = "  ";

/** A table for people: aligned columns, no lines. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const all = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) =>
    all.reduce((widest, cells) => Math.max(widest, columnsOf(cells[at] ?? "")), 0),
  );
  const renderRow = (cells: readonly string[]): string =>
    columns
      .map(({ right }, at) => {
        const cell = cells[at] ?? "";
        const space = " ".repeat((widths[at] ?? 0) - columnsOf(cell));
        return right === true ? space + cell : cell + space;
      })
      .join(BETWEEN)
      .trimEnd();
  return all.map(renderRow).join("\n");
}
