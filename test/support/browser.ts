import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { inject } from "vitest";
import { demand } from "./on-demand.ts";

/** Debian's Chromium, without a window. */
export async function startBrowser(): Promise<Browser> {
  // Its own sandbox needs rights that a container's root has not; it sees pages of ours alone.
  return await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}

/** Builds the dashboard beside the built programs, once in a run: `handled serve` shows it from then on. */
export async function buildDashboard(): Promise<void> {
  await demand<string>(inject("dashboard"));
}

/** What a page complains of: errors of its scripts, of what it loads, of its policy. */
export function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", ({ message }) => complaints.push(`${page.url()}: ${message}`));
  return complaints;
}

/** What keeps somebody from using the page as it is now, by axe-core: what it calls serious or critical. */
export async function barriersOf(page: Page): Promise<readonly string[]> {
  // Past the page's policy, as a debugger does.
  await page.evaluate(axe.source);
  const found = await page.evaluate<
    { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
  >("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)");
  return found
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    );
}
