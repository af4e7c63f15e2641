import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PASSWORD } from "./support/api-access.ts";
import {
  barriersOf,
  buildDashboard,
  complaintsOf,
  expectForEverybody,
  openContext,
  signIn,
  startBrowser,
  typeConfirmation,
} from "./support/browser.ts";
import { runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let daemon: Served;
let browser: Browser;
let url: string;

beforeAll(async () => {
  const built = buildDashboard();
  const started = startBrowser();
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
duties: [{ name: look, every: weekly, database: data, what: "<b>look</b> at it" }]
databases:
  data: { url: "${live.url}", repository: local, backups: [{ name: nightly, kind: snapshot }] }
  empty: { url: "${live.url}", repository: local }
`,
  );
  const backup = await runCli(["backup", "data"], { cwd: folder.path });
  if (backup.code !== 0) throw new Error(backup.stderr);
  await built;
  browser = await started;
  daemon = serve(folder.path);
  url = await daemon.url();
});
afterAll(async () => {
  await browser.close();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

const PAGES = {
  "/": "Overview",
  "/databases/data": "data",
  "/databases/empty": "empty",
  "/databases/data/backups/latest": "Tables",
  "/databases/data/restore": "Where to",
  "/recovery": "Nothing was rehearsed yet",
  "/checklist": "<b>look</b> at it",
  "/runbook": "Keep a copy",
  "/activity": "backup data",
  "/activity?show=logs": "backup data",
  "/repositories": "Saved by sharing",
  "/nowhere": "There is no such page",
};

/** Signs in. */
async function enter(page: Page): Promise<void> {
  await page.goto(url);
  await signIn(page, "ada");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** How many rows the live database has now, whichever that is. */
async function rowsOf(): Promise<number> {
  const [row] = await live.query<{ count: string }>("select count(*) from item");
  return Number(row?.count);
}

/** Opens a page, and waits until it has what it is about. */
async function open(page: Page, path: keyof typeof PAGES): Promise<void> {
  await page.goto(`${url}${path}`);
  await page.locator("main").getByText(PAGES[path], { exact: true }).first().waitFor();
}

describe("every page", () => {
  test("the set-up link makes the first user, whose backup is shown while it goes on; out and in again", async () => {
    await using context = await openContext(browser);
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    await page.goto(url);
    await page.getByRole("heading", { name: "Nobody can sign in yet" }).waitFor();
    const [invited] = await daemon.events("set up", 1);
    await page.goto(/http:\S+/.exec(invited?.message ?? "")?.[0] ?? "");
    await page.getByLabel("Name").fill("ada");
    await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
    await page.getByRole("button", { name: "Set up" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();

    await page.getByRole("link", { name: "data", exact: true }).first().click();
    await page.getByRole("button", { name: "Back up now" }).click();
    await page.locator("main").getByText("done", { exact: true }).waitFor();
    await page.getByText("handled backup data", { exact: true }).waitFor();
    await page.getByRole("link", { name: "data", exact: true }).first().click();
    await page.getByText("2 recovery points").waitFor();

    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, "ada", "not the right one");
    await page.getByText("name or password is not right").waitFor();
    expect(await barriersOf(page)).toEqual([]);
    await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("2 recovery points").waitFor();
    await page.reload();
    await page.getByText("2 recovery points").waitFor();
    // Chromium says of each refusal that it is one.
    expect(complaints.filter((text) => !text.includes("status of 401"))).toEqual([]);
  });

  test("a backup is restored in place of the live database, and that is undone, by mouse", async () => {
    await using context = await openContext(browser);
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    await enter(page);
    await live.query("delete from item where id > 10");
    const strip = page
      .getByRole("article", { name: "data" })
      .getByRole("group", { name: /^Last 30 days: [12] backup/ });
    await strip.getByRole("img").last().press("ArrowLeft");
    await page
      .getByRole("tooltip")
      .getByText(/: no backup, proof or failure$/)
      .waitFor();
    await page.keyboard.press("End");
    await page
      .getByRole("tooltip")
      .getByText(/: [12] backup/)
      .waitFor();
    await page.getByRole("link", { name: "data", exact: true }).first().click();
    await page
      .getByRole("button", { name: /^snapshot 2/ })
      .last()
      .click();
    await page.getByRole("radio", { name: "In place of the live database" }).check();
    await page.getByRole("button", { name: "What would be done?" }).click();
    await page.getByRole("heading", { name: "What would be done" }).waitFor();
    expect(await barriersOf(page)).toEqual([]);
    const replace = page.getByRole("button", { name: "Replace the live database" });
    expect(await replace.isDisabled()).toBe(true);
    await typeConfirmation(page, "data", "not the right one");
    await replace.click();
    await page.getByText("the password is not right").waitFor();
    await typeConfirmation(page, "data");
    await replace.click();
    await page.getByText("done", { exact: true }).waitFor();
    expect(await rowsOf()).toBe(100);

    await page.getByRole("link", { name: "Undo …" }).click();
    await page.getByRole("button", { name: "What would be done?" }).click();
    await typeConfirmation(page, "data");
    await page.getByRole("button", { name: "Put the old one back" }).click();
    await page.getByText("done", { exact: true }).waitFor();
    expect(await rowsOf()).toBe(10);
    // Chromium says of each refusal that it is one.
    expect(complaints.filter((text) => !text.includes("status of 409"))).toEqual([]);
  });

  test("can be used by everybody in both themes, complains of nothing, and is as wide as a telephone", async () => {
    await using context = await openContext(browser, { viewport: { width: 360, height: 740 } });
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    await enter(page);
    for (const path of Object.keys(PAGES) as (keyof typeof PAGES)[]) {
      await open(page, path);
      await expectForEverybody(page, path, 360);
    }
    expect(complaints).toEqual([]);
  });
});

test("what is done at a terminal shows by itself, soon", async () => {
  await using context = await browser.newContext();
  const page = await context.newPage();
  await enter(page);
  await open(page, "/databases/data");
  const points = (await page.getByText(/\d+ recovery points/).textContent()) ?? "";
  const { code, stderr } = await runCli(["backup", "data"], { cwd: folder.path });
  expect(code, stderr).toBe(0);
  // A page that hears of nothing asks for its list once a minute.
  await page.getByText(`${Number(/(\d+) recovery points/.exec(points)?.[1]) + 1} recovery points`).waitFor();
});
