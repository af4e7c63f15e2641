import type { Block, Page, Section } from "./page.ts";

// What every printer and terminal has room for.
const WIDTH = 88;

/** The page as plain text; commands are never broken. */
export function pageText({ title, lead, sections }: Page): string {
  const lines = [
    title,
    "=".repeat(title.length),
    ...lead.flatMap((line) => wrap(line, "")),
    ...sections.flatMap(sectionLines),
    "",
  ];
  return lines.filter((line, at) => line !== "" || lines[at - 1] !== "").join("\n");
}

function sectionLines({ title, blocks }: Section): string[] {
  return ["", title, "-".repeat(title.length), ...blocks.flatMap(blockLines)];
}

function blockLines(block: Block): string[] {
  switch (block.kind) {
    case "heading":
      return ["", block.text, ""];
    case "text":
      return wrap(block.text, "");
    case "warning":
      return wrap(`! ${block.text}`, "");
    case "facts": {
      const width = Math.max(...block.rows.map(([name]) => name.length)) + 2;
      return block.rows.flatMap(([name, value]) => hang(name.padEnd(width), wrap(value, "", WIDTH - width)));
    }
    case "table":
      return block.rows.flatMap((row) => [
        "",
        ...row.flatMap((cell, at) => hang(`${block.head[at] ?? ""}: `, wrap(cell, "", WIDTH - 12))),
      ]);
    case "commands":
      return ["", ...block.lines.map((line) => `    ${line}`), ""];
    case "blank":
      return ["", `${block.label}: ${"_".repeat(Math.max(20, WIDTH - block.label.length - 2))}`];
  }
}

function hang(first: string, lines: readonly string[]): string[] {
  return lines.map((line, at) => (at === 0 ? first : " ".repeat(first.length)) + line);
}

function wrap(words: string, indent: string, width = WIDTH): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of words.split(" ")) {
    if (line.length > indent.length && line.length + 1 + word.length > width) {
      lines.push(line);
      line = indent;
    }
    line += line.length > indent.length ? ` ${word}` : word;
  }
  return [...lines, line];
}
