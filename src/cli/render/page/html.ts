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
      return `<table class="facts">\n${rows.join("\n")}\n</table>`;
    }
    case "table": {
      const { head } = block;
      const names = head.map((name) => `<th scope="col">${inline(name)}</th>`).join("");
      const rows = block.rows.map(
        (row) => `<tr>${row.map((cell, at) => td(cell, head[at] ?? "")).join("")}</tr>`,
      );
      return `<table class="rows">\n<thead><tr>${names}</tr></thead>\n<tbody>\n${rows.join("\n")}\n</tbody>\n</table>`;
    }
    case "commands":
      // Where one begins is to be seen though it fills several lines.
      return `<pre>${block.lines.map((line) => `<span class="line">${typed(line)}\n</span>`).join("")}</pre>`;
    case "blank":
      return `<p class="blank"><span>${escapeHtml(block.label)}</span></p>`;
  }
}

// A time or a number: a column of them must not be broken for a few letters.
const SHORT_CELL = 9;

/** A cell, with what stands above it: on a telephone each row is one below the other. */
function td(cell: string, head: string): string {
  const name = cell.length <= SHORT_CELL ? ' class="short"' : "";
  return `<td${name} data-head="${escapeHtml(head)}">${inline(cell)}</td>`;
}

/** What stands between backticks is to be typed. */
function inline(text: string): string {
  return text
    .split("`")
    .map((part, at, all) => {
      // One that nothing ends is just that.
      if (at % 2 === 1 && at === all.length - 1) return escapeHtml(`\`${part}`);
      return at % 2 === 1 && part !== "" ? `<code>${typed(part)}</code>` : escapeHtml(part);
    })
    .join("");
}

// A longer word has to be broken somewhere: on paper, and on a telephone.
const LONGEST_WORD = 60;
const LONGEST_WORD_NARROW = 30;

/** A line to be typed: browsers break lines behind hyphens, and `--to` must not become `--` and `to`. */
function typed(line: string): string {
  return line
    .split(" ")
    .map((word) => {
      if (!word.includes("-") || word.length > LONGEST_WORD) return escapeHtml(word);
      return `<span class="${word.length > LONGEST_WORD_NARROW ? "long" : "word"}">${escapeHtml(word)}</span>`;
    })
    .join(" ");
}

const STYLE = `
:root { color-scheme: light; --ink: #1b1f24; --soft: #3d4650; --paper: #fff; --line: #c9d0d8; --hair: #e4e8ec;
  --code: #f1f3f5; --block: #f6f8fa; --edge: #d5dbe1; --alarm: #b42318; --alarm-paper: #fdf3f2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 50rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
header { border-bottom: 3px solid var(--ink); margin-bottom: 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
header p { margin: 0 0 .75rem; color: var(--soft); }
h2 { font-size: 1.3rem; margin: 2rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--hair); overflow-wrap: anywhere; }
th { font-weight: 600; }
th[scope=row] { width: 13rem; }
.rows th, .rows td { overflow-wrap: break-word; }
.short { white-space: nowrap; }
pre, code { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Consolas, monospace; }
code { font-size: .9em; background: var(--code); padding: .05em .3em; border-radius: 3px; }
pre { font-size: .85rem; line-height: 1.45; background: var(--block); border: 1px solid var(--edge); border-radius: 4px;
  padding: .7rem .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.line { display: block; padding-left: 2ch; text-indent: -2ch; }
.line + .line { margin-top: .2em; }
.word, .long { white-space: nowrap; }
.warning { border-left: 4px solid var(--alarm); padding: .35rem .75rem; background: var(--alarm-paper); }
.blank { display: flex; gap: .75rem; align-items: flex-end; min-height: 2.4rem; }
.blank::after { content: ""; flex: 1; border-bottom: 1px solid var(--ink); }
@page { margin: 16mm; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e3e7eb; --soft: #b3bcc5; --paper: #14171a; --line: #454d56; --hair: #2c3238;
    --code: #23282e; --block: #1b2025; --edge: #39414a; --alarm: #f97066; --alarm-paper: #33191a; }
}
@media screen and (max-width: 34rem) {
  body { padding-top: 1rem; }
  th[scope=row], th[scope=row] + td { display: block; width: auto; }
  th[scope=row] { border-bottom: 0; padding-bottom: 0; }
  .rows thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .rows tbody, .rows tr, .rows td { display: block; }
  .rows tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .rows td { border: 0; padding: .1rem 0 .1rem 7rem; overflow-wrap: anywhere; }
  .rows td::before { content: attr(data-head); float: left; width: 6.5rem; margin-left: -7rem; color: var(--soft); }
  .rows td[data-head=""] { padding-left: 0; font-weight: 600; }
  .rows td:empty { display: none; }
  .short, .long { white-space: inherit; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2, h3, p:has(+ pre), p:has(+ table) { break-after: avoid; }
  p { orphans: 3; widows: 3; }
  .facts, tr, .warning, .blank { break-inside: avoid; }
  .rows { font-size: 9.5pt; }
  code { background: none; padding: 0; }
  pre { font-size: 8.5pt; background: #fff; break-inside: avoid; }
  .appendix { break-before: page; }
  .appendix pre { break-inside: auto; }
}
`;
