import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pageHtml } from "../src/cli/render/page/html.ts";
import type { Page } from "../src/cli/render/page/page.ts";
import { barriersOf, startBrowser } from "./support/browser.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => await browser.close());

const LINES = [
  "handled restore --config /srv/platform/handled.yaml --swap --dry-run data 20241211T020000Z-5eed",
  "handled restore --config /srv/platform/handled.yaml --undo data",
  `age -d ${"a-very-long-name-".repeat(8)} | psql`,
];

const PAGE: Page = {
  title: "Runbook",
  lead: ["Of that moment: `handled runbook`."],
  sections: [
    {
      title: "The four disasters",
      blocks: [
        { kind: "warning", text: "There is no backup." },
        { kind: "facts", rows: [["newest backup", "2024-12-11 03:00:00, archive 20241211T020000Z-5eed"]] },
        { kind: "commands", lines: LINES },
        {
          kind: "table",
          head: ["", "step", "checked by", "budget", "last took", "if it fails"],
          rows: [
            [
              "1",
              "Choose <b>",
              "its index can be read",
              "2 h 30 min",
              "137 ms",
              "name one with `--backup ID`",
            ],
            ["", "all of it", "", "1 h", "-", "a ` that nothing ends"],
          ],
        },
      ],
    },
  ],
};

test.each(["light", "dark"] as const)("a page to print is read on a telephone, %s", async (colorScheme) => {
  const page = await browser.newPage({ viewport: { width: 360, height: 800 }, colorScheme });
  await page.setContent(pageHtml(PAGE));
  // Nothing is to be pulled to and fro to be read.
  expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBe(360);
  const cell = page.locator(".rows td").nth(5);
  expect(await cell.textContent()).toBe("name one with --backup ID");
  // What stands above it on paper stands beside it here.
  expect(
    await page.evaluate<string>(
      "getComputedStyle(document.querySelectorAll('.rows td')[5], '::before').content",
    ),
  ).toContain("if it fails");
  expect(await page.locator(".rows").textContent()).toContain("a ` that nothing ends");
  expect(await barriersOf(page)).toEqual([]);
  await page.close();
});

test("commands are copied as they are to be typed, one a line, however they are broken on the page", async () => {
  const page = await browser.newPage({ viewport: { width: 360, height: 800 } });
  await page.setContent(pageHtml(PAGE));
  const copied = await page.evaluate<string>(
    "getSelection().selectAllChildren(document.querySelector('pre')), getSelection().toString()",
  );
  expect(copied.trimEnd().split("\n")).toEqual(LINES);
  await page.close();
});
