/** What changed between two texts: whole lines, and those around them. */
interface Change {
  readonly sign: " " | "-" | "+";
  readonly line: string;
}

// Lines that stay as they are, before and after what changed: enough to see where it is.
const AROUND = 2;
// A table of so many cells is filled in a moment; texts that differ in more are told as exchanged whole.
const MOST_CELLS = 4_000_000;

/**
 * What changed, in the form of a unified diff without its numbers: `-` was there, `+` is there now, `@@` where something in between
 * is left out, with the heading of Markdown above. Empty where both are the same.
 */
export function lineDiff(before: string, after: string): string[] {
  const changes = changesBetween(linesOf(before), linesOf(after));
  const changed = changes.flatMap(({ sign }, at) => (sign === " " ? [] : [at]));
  const shown = new Set(
    changed.flatMap((at) => Array.from({ length: 2 * AROUND + 1 }, (_, by) => at + by - AROUND)),
  );
  return changes.flatMap(({ sign, line }, at) => {
    if (!shown.has(at)) return [];
    const words = `${sign}${line}`;
    if (at === 0 || shown.has(at - 1)) return [words];
    return [["@@", ...headingBefore(changes, at)].join(" "), words];
  });
}

/** The heading of Markdown under which a change stands, as a person looks for it. */
function headingBefore(changes: readonly Change[], at: number): string[] {
  const heading = changes.slice(0, at).findLast(({ sign, line }) => sign !== "-" && /^#{1,6} /.test(line));
  return heading === undefined ? [] : [heading.line];
}

function linesOf(text: string): string[] {
  const lines = text.split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

function changesBetween(before: readonly string[], after: readonly string[]): Change[] {
  let head = 0;
  while (head < Math.min(before.length, after.length) && before[head] === after[head]) head += 1;
  let tail = 0;
  const rest = Math.min(before.length, after.length) - head;
  while (tail < rest && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const same = (lines: readonly string[]): Change[] => lines.map((line) => ({ sign: " ", line }));
  return [
    ...same(before.slice(0, head)),
    ...inTheMiddle(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

/** By the longest common subsequence: its length from each pair of places on, then one way along it. */
function inTheMiddle(before: readonly string[], after: readonly string[]): Change[] {
  const removed = (lines: readonly string[]): Change[] => lines.map((line) => ({ sign: "-", line }));
  const added = (lines: readonly string[]): Change[] => lines.map((line) => ({ sign: "+", line }));
  const width = after.length + 1;
  if ((before.length + 1) * width > MOST_CELLS) return [...removed(before), ...added(after)];
  const lengths = new Uint32Array((before.length + 1) * width);
  const lengthAt = (row: number, column: number): number => lengths[row * width + column] ?? 0;
  for (let row = before.length - 1; row >= 0; row -= 1) {
    for (let column = after.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        before[row] === after[column]
          ? lengthAt(row + 1, column + 1) + 1
          : Math.max(lengthAt(row + 1, column), lengthAt(row, column + 1));
    }
  }
  const changes: Change[] = [];
  let [row, column] = [0, 0];
  while (row < before.length && column < after.length) {
    const line = before[row] ?? "";
    if (line === after[column]) {
      changes.push({ sign: " ", line });
      row += 1;
      column += 1;
    } else if (lengthAt(row + 1, column) >= lengthAt(row, column + 1)) {
      changes.push({ sign: "-", line });
      row += 1;
    } else {
      changes.push({ sign: "+", line: after[column] ?? "" });
      column += 1;
    }
  }
  return [...changes, ...removed(before.slice(row)), ...added(after.slice(column))];
}
