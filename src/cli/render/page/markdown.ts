import type { Block, Page, Section } from "./page.ts";

/** The page as Markdown: CommonMark, and the tables of GitHub. Names from outside cannot end a line, a cell or a fence. */
export function pageMarkdown({ title, lead, sections }: Page): string {
  const parts = [`# ${inline(title)}`, ...lead.map(inline), ...sections.flatMap(sectionParts)];
  return `${parts.join("\n\n")}\n`;
}

function sectionParts({ title, blocks }: Section): string[] {
  return [`## ${inline(title)}`, ...blocks.map(blockPart)];
}

function blockPart(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `### ${inline(block.text)}`;
    case "text":
      return inline(block.text);
    case "warning":
      return `> **${inline(block.text)}**`;
    case "facts":
      return tableOf(["", ""], block.rows);
    case "table":
      return tableOf(block.head, block.rows);
    case "commands":
      return fenced(block.lines.join("\n"));
    case "blank":
      return `${inline(block.label)}: ${"\\_".repeat(20)}`;
  }
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => inline(cell).replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A fence that is longer than any run of backticks in it: CommonMark, "Fenced code blocks". */
function fenced(code: string): string {
  const runs = code.match(/`+/g) ?? [];
  const fence = "`".repeat(Math.max(3, ...runs.map((run) => run.length + 1)));
  return `${fence}sh\n${code}\n${fence}`;
}

/** One line; what stands between backticks stays as it is, all else cannot begin markup. */
function inline(text: string): string {
  return text
    .replaceAll(/\s+/g, " ")
    .split(/(`[^`]+`)/)
    .map((piece, at) => (at % 2 === 1 ? piece : piece.replaceAll(/[\\*_<>[\]#]/g, String.raw`\$&`)))
    .join("");
}
