import { escapeHtml } from "../../../lib/html.ts";
import type { Block, Page, Section } from "./page.ts";

/** The page as HTML that needs nothing else: no script, no font, no request. Everything in it is escaped. */
export function pageHtml({ title, lead, sections }: Page): string {
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="robots" content="noindex">',
    `<title>${escapeHtml(title)}</title>`,
    `<style>${STYLE}</style>`,
    "</head>",
    "<body>",
    "<header>",
    `<h1>${escapeHtml(title)}</h1>`,
    ...lead.map((line) => `<p>${inline(line)}</p>`),
    "</header>",
    "<main>",
    ...sections.map(sectionHtml),
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function sectionHtml({ title, blocks, isAppendix }: Section): string {
  const name = isAppendix === true ? ' class="appendix"' : "";
  return [`<section${name}>`, `<h2>${escapeHtml(title)}</h2>`, ...blocks.map(blockHtml), "</section>"].join(
    "\n",
  );
}

function blockHtml(block: Block): string {
  switch (block.kind) {
    case "heading":
      return `<h3>${inline(block.text)}</h3>`;
    case "text":
      return `<p>${inline(block.text)}</p>`;
    case "warning":
      return `<p class="warning">${inline(block.text)}</p>`;
    case "facts": {
      const rows = block.rows.map(
        ([name, value]) => `<tr><th scope="row">${inline(name)}</th><td>${inline(value)}</td></tr>`,
      );
      return `<table>\n${rows.join("\n")}\n</table>`;
    }
    case "table": {
      const cells = (name: string, row: readonly string[]): string =>
        `<tr>${row.map((cell) => `<${name}>${inline(cell)}</${name}>`).join("")}</tr>`;
      const rows = block.rows.map((row) => cells("td", row));
      return `<div class="wide"><table>\n${cells("th", block.head)}\n${rows.join("\n")}\n</table></div>`;
    }
    case "commands":
      return `<pre>${block.lines.map(typed).join("\n")}</pre>`;
    case "blank":
      return `<p class="blank"><span>${escapeHtml(block.label)}</span></p>`;
  }
}

/** What stands between backticks is to be typed. */
function inline(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

// A longer word has to be broken somewhere.
const LONGEST_WORD = 60;

/** A line to be typed: browsers break lines behind hyphens, and `--to` must not become `--` and `to`. */
function typed(line: string): string {
  return line
    .split(" ")
    .map((word) =>
      word.includes("-") && word.length <= LONGEST_WORD
        ? `<span>${escapeHtml(word)}</span>`
        : escapeHtml(word),
    )
    .join(" ");
}

const STYLE = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 50rem; padding: 2rem 1.25rem 4rem; background: #fff; color: #1b1f24;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
header { border-bottom: 3px solid #1b1f24; margin-bottom: 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
header p { margin: 0 0 .75rem; color: #3d4650; }
h2 { font-size: 1.3rem; margin: 2rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid #c9d0d8; }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #e4e8ec; overflow-wrap: anywhere; }
th { font-weight: 600; }
th[scope] { width: 13rem; }
.wide { overflow-x: auto; }
.wide td, .wide th { overflow-wrap: break-word; }
pre, code { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Consolas, monospace; }
code { font-size: .9em; background: #f1f3f5; padding: .05em .3em; border-radius: 3px; }
pre { font-size: .85rem; line-height: 1.45; background: #f6f8fa; border: 1px solid #d5dbe1; border-radius: 4px;
  padding: .7rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
pre span { white-space: nowrap; }
.warning { border-left: 4px solid #b42318; padding: .35rem .75rem; background: #fdf3f2; }
.blank { display: flex; gap: .75rem; align-items: flex-end; min-height: 2.4rem; }
.blank::after { content: ""; flex: 1; border-bottom: 1px solid #1b1f24; }
@page { margin: 16mm; }
@media screen and (max-width: 34rem) {
  body { padding-top: 1rem; }
  th[scope], th[scope] + td { display: block; width: auto; }
  th[scope] { border-bottom: 0; padding-bottom: 0; }
  pre span { white-space: inherit; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2, h3 { break-after: avoid; }
  table, .warning, .blank { break-inside: avoid; }
  pre { font-size: 8.5pt; background: #fff; break-inside: avoid; }
  .appendix { break-before: page; }
  .appendix pre { break-inside: auto; }
}
`;
