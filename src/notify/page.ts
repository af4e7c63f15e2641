import type { Severity } from "../config/notify.ts";
import type { Notice } from "./notice.ts";

/** What a message says, before it is text or HTML. */
export interface Page {
  readonly subject: string;
  readonly severity: Severity;
  /** What stands above all. */
  readonly opening: string;
  readonly sections: readonly Section[];
  /** The last line: who says so. */
  readonly closing: string;
  readonly event: Notice["event"];
}

interface Section {
  readonly title: string;
  readonly items: readonly Item[];
}

export interface Item {
  /** One line that stands out. */
  readonly headline: string;
  /** Under it, each a line. */
  readonly lines: readonly string[];
}

// Mail servers refuse what is endless, and nobody reads it.
const MOST_ITEMS = 30;
const LONGEST_SUBJECT = 150;

/** The page as every channel needs it. Nothing in it is a link: what is to be done is typed. */
export function noticeOf(page: Page): Notice {
  const subject = page.subject.replaceAll(/[\p{Cc}\s]+/gu, " ").trim();
  const sections = page.sections
    .filter(({ items }) => items.length > 0)
    .map(shortened)
    .map(readable);
  return {
    subject: subject.length > LONGEST_SUBJECT ? `${subject.slice(0, LONGEST_SUBJECT - 1)}…` : subject,
    severity: page.severity,
    event: page.event,
    text: textOf(page, sections),
    html: htmlOf(page, sections),
  };
}

function shortened({ title, items }: Section): Section {
  const more = items.length - MOST_ITEMS;
  if (more <= 0) return { title, items };
  return { title, items: [...items.slice(0, MOST_ITEMS), { headline: `and ${more} more`, lines: [] }] };
}

/** What a server has put into its words is not to move a terminal's cursor. */
function readable({ title, items }: Section): Section {
  const clean = (text: string): string => text.replaceAll(/[^\P{Cc}\n\t]/gu, "");
  return {
    title,
    items: items.map(({ headline, lines }) => ({ headline: clean(headline), lines: lines.map(clean) })),
  };
}

function textOf({ opening, closing }: Page, sections: readonly Section[]): string {
  const blocks = sections.map(({ title, items }) =>
    [
      title.toUpperCase(),
      ...items.map(({ headline, lines }) =>
        [`- ${headline}`, ...lines.map((line) => `  ${line}`)].join("\n"),
      ),
    ].join("\n"),
  );
  return `${[opening, ...blocks, `-- \n${closing}`].join("\n\n")}\n`;
}

function htmlOf({ opening, closing }: Page, sections: readonly Section[]): string {
  const blocks = sections.map(({ title, items }) => {
    const list = items.map(({ headline, lines }) => {
      const under = lines.map((line) => `<br>${withCode(line)}`).join("");
      return `<li style="margin-bottom:.7em"><b>${withCode(headline)}</b>${under}</li>`;
    });
    return `<h3 style="margin-bottom:.3em">${escaped(title)}</h3><ul style="margin-top:0">${list.join("")}</ul>`;
  });
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8"></head>',
    '<body style="font-family:sans-serif;line-height:1.4;max-width:45em">',
    `<p>${withCode(opening)}</p>`,
    ...blocks,
    `<p style="color:#666">${withCode(closing)}</p></body></html>`,
  ].join("\n");
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** What stands between backticks is to be typed. */
function withCode(text: string): string {
  return escaped(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}
