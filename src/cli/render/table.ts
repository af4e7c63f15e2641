import { columnsOf } from "../../lib/columns.ts";

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

const BETWEEN = "  ";
const INDENT = "    ";

/**
 * A table for people: aligned columns, no lines. Where it is wider than the terminal, the columns that do not fit go on in
 * further lines of each row, indented, so that nothing is broken in the middle of a word.
 * @param width columns of the terminal; undefined: no limit
 */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width?: number,
): string {
  const all = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) =>
    all.reduce((widest, cells) => Math.max(widest, columnsOf(cells[at] ?? "")), 0),
  );
  const lines = foldColumns(widths, width ?? Infinity);
  const renderLine = (cells: readonly string[], line: readonly number[]): string =>
    line
      .map((at) => {
        const cell = cells[at] ?? "";
        const space = " ".repeat((widths[at] ?? 0) - columnsOf(cell));
        return columns[at]?.right === true ? space + cell : cell + space;
      })
      .join(BETWEEN)
      .trimEnd();
  return all
    .flatMap((cells) =>
      lines.flatMap((line, at) => {
        const text = renderLine(cells, line);
        // What has nothing to say in its further lines does without them.
        return at === 0 ? [text] : text === "" ? [] : [INDENT + text];
      }),
    )
    .join("\n");
}

/** Which columns each line of a row has: as many as fit, one at least. */
function foldColumns(widths: readonly number[], limit: number): number[][] {
  const lines: number[][] = [[]];
  let used = 0;
  for (const [at, width] of widths.entries()) {
    const line = lines.at(-1) ?? [];
    if (line.length > 0 && used + BETWEEN.length + width > limit) {
      lines.push([at]);
      used = INDENT.length + width;
    } else {
      used += (line.length > 0 ? BETWEEN.length : 0) + width;
      line.push(at);
    }
  }
  return lines;
}
