import axe from "axe-core";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { expect, inject } from "vitest";
import { PASSWORD } from "./api-access.ts";
import { demand } from "./on-demand.ts";

/** Debian's Chromium, without a window. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      // Its own sandbox needs rights that a container's root has not; it sees pages of ours alone.
      "--no-sandbox",
      // What moves is drawn all the time.
      "--force-prefers-reduced-motion",
    ],
  });
}

/** A browser of somebody's own: no cookies yet. */
export async function openContext(
  browser: Browser,
  options?: BrowserContextOptions,
): Promise<BrowserContext> {
  const context = await browser.newContext(options);
  // A busy machine takes its time.
  context.setDefaultTimeout(60_000);
  return context;
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

/** Fails unless everybody can use the page as it is, in both themes, and it is no wider than its window, of each width in pixels. */
export async function expectForEverybody(page: Page, what: string, ...widths: number[]): Promise<void> {
  const size = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
      expect(await barriersOf(page), `${what} in ${colorScheme} at ${width} px`).toEqual([]);
    }
    const needed = await page.evaluate<number>("document.documentElement.scrollWidth");
    expect(needed, `${what} is wider than its window`).toBeLessThanOrEqual(width);
  }
  if (size !== null) await page.setViewportSize(size);
}

/** Signs in on the page that asks for it. */
export async function signIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel("Name").fill(name);
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** Types what a dangerous action asks for: the name of what it is done to, and the password again. */
export async function typeConfirmation(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel(`Type ${name} to go on`).fill(name);
  await page.getByRole("textbox", { name: "Your password, again" }).fill(password);
}
