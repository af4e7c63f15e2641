import { readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asUser } from "./support/api-access.ts";
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
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

// Once a year, a while from now: what is due is due because it was missed.
const YEARLY = (() => {
  const at = new Date(Date.now() + 40 * 86_400_000);
  return `0 3 ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
})();

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let daemon: Served;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: readonly string[];
let url: string;

const strategy = (more = ""): string => `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  data:
    url: "${live.url}"
    repository: local
    lockTimeout: 60s
    objectives: { rpo: 24h, rto: 1h }
    backups: [{ name: nightly, kind: snapshot }${more}]
`;

async function start(port = 0): Promise<void> {
  daemon = serve(folder.path, { port });
  url = await daemon.url();
}

beforeAll(async () => {
  const built = buildDashboard();
  const started = startBrowser();
  live = await freshDatabase({
    sql: "create table item (id int primary key); insert into item select generate_series(1, 100)",
  });
  folder = await temporaryFolder();
  await writeFile(join(folder.path, "handled.yaml"), strategy());
  const backup = await runCli(["backup", "data"], { cwd: folder.path });
  if (backup.code !== 0) throw new Error(backup.stderr);
  await asUser(folder.path, "admin");
  await built;
  browser = await started;
  await start();
  context = await openContext(browser);
  page = await context.newPage();
  complaints = complaintsOf(page);
  await page.goto(url);
  await signIn(page, "admin");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
});
afterAll(async () => {
  await browser.close();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

const main = (): ReturnType<Page["locator"]> => page.locator("main");
const go = async (name: string): Promise<void> => {
  const pages = page.getByRole("navigation", { name: "Pages" });
  // Where something is found of a database, its name says so.
  await pages.getByRole("link", { name: new RegExp(`^${name}( needs a look)?$`) }).click();
};

describe("the dashboard", { timeout: 180_000 }, () => {
  test("a drill is rehearsed by mouse: its plan before, its steps while it goes on, its result, and what was learned", async () => {
    await go("Recovery");
    await page.getByRole("button", { name: /The server is lost/ }).click();
    const plan = page.getByRole("table", { name: "Steps of the plan" });
    await plan.getByText("Restore data into", { exact: false }).waitFor();
    await main().getByText("Budgets of all steps").waitFor();
    await page.getByRole("button", { name: "Rehearse", exact: true }).click();
    await page.getByRole("heading", { name: "Steps" }).waitFor();
    const steps = main().locator(".steps > li");
    await steps.first().waitFor();
    const result = page.getByRole("region", { name: "Result" });
    await result.getByText("It can be recovered so").waitFor();
    const looks = await steps.evaluateAll((all) => all.map((one) => one.getAttribute("data-look")));
    expect(looks).toEqual(looks.map(() => "done"));
    expect(looks.length).toBeGreaterThan(2);
    await expectForEverybody(page, "a drill", 360, 1440);

    await page.getByLabel("What was learned").fill("the new server was called as the old one");
    await page.getByRole("button", { name: "Keep the note" }).click();
    await result.getByText("It is kept.").waitFor();
    await go("Recovery");
    await page.getByRole("button", { name: /The server is lost/ }).click();
    await main().getByText("the new server was called as the old one", { exact: true }).waitFor();
    await page.getByRole("img", { name: /^Time to recover: 1 drills/ }).waitFor();
    await plan.getByText("Restore data into", { exact: false }).waitFor();
    await expectForEverybody(page, "the way out of a disaster", 360, 1440);
  });

  test("rows that were deleted are put back in earnest, once whoever wants it has said so again", async () => {
    await live.query("delete from item where id > 90");
    await go("Recovery");
    await page.getByRole("button", { name: /Data was deleted/ }).click();
    await page.getByLabel("Tables that lost rows").fill("public.item");
    const plan = page.getByRole("table", { name: "Steps of the plan" });
    await plan.getByText("Insert the missing rows", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Recover for real …" }).click();
    await main().getByText("This is no drill: data").waitFor();
    const recover = page.getByRole("button", { name: "Recover", exact: true });
    expect(await recover.isDisabled()).toBe(true);
    expect(await barriersOf(page)).toEqual([]);
    await typeConfirmation(page, "data");
    await recover.click();
    await page.getByRole("heading", { name: "recover data" }).waitFor();
    await main().getByText("done", { exact: true }).first().waitFor();
    const [row] = await live.query<{ count: string }>("select count(*) from item");
    expect(Number(row?.count)).toBe(100);
  });

  test("a damaged backup is found, and told until a new one was made and proven, and it is gone", async () => {
    const stored = join(folder.path, "backups/data");
    const [damaged = ""] = await readdir(join(stored, "backups"));
    await rm(join(stored, "parts"), { recursive: true });
    await go("data");
    await page.getByRole("button", { name: "Verify the newest" }).click();
    await main().getByText("failed", { exact: true }).waitFor();
    await go("Overview");
    const card = page.getByRole("article", { name: "data" });
    await card.getByText("Not protected").waitFor();
    const findings = page.getByRole("region", { name: "Findings" });
    await findings.getByText("backup-overdue", { exact: true }).waitFor();
    await findings.getByText("backup-damaged", { exact: true }).waitFor();

    await go("data");
    await page.getByRole("button", { name: "Back up now" }).click();
    await main().getByText("done", { exact: true }).waitFor();
    await go("data");
    await page.getByRole("button", { name: "Verify the newest" }).click();
    await main().getByText("done", { exact: true }).waitFor();
    await go("Overview");
    await findings.getByText("backup-overdue", { exact: true }).waitFor({ state: "detached" });
    expect(await card.getByText("Not protected").count()).toBe(0);
    // As its hint says.
    await rm(join(stored, "backups", damaged), { recursive: true });
    // The daemon looks when something has ended, and not all the time.
    await go("data");
    await page.getByRole("button", { name: "Verify the newest" }).click();
    await main().getByText("done", { exact: true }).waitFor();
    await go("Overview");
    await findings.getByText("backup-damaged", { exact: true }).waitFor({ state: "detached" });
    expect(complaints).toEqual([]);
  });

  test("what is scheduled is seen while it runs; the daemon is killed, and the page shows it again by itself", async () => {
    const port = Number(new URL(url).port);
    await daemon.stop("SIGTERM");
    const path = join(folder.path, "handled.yaml");
    await writeFile(path, strategy(`, { name: yearly, kind: snapshot, schedule: "${YEARLY}" }`));
    await utimes(path, new Date(0), new Date(0));
    await using held = new AsyncDisposableStack();
    held.use(await lockTable(live.url, "item"));
    await start(port);
    await go("Overview");
    const running = page
      .getByRole("list", { name: "What runs now" })
      .getByRole("link", { name: /backup.* yearly/ });
    await running.waitFor();
    await go("Activity");
    await running.click();
    await page.getByRole("button", { name: "Stop it" }).waitFor();
    await main().getByText("by the schedule", { exact: false }).waitFor();
    await daemon.stop("SIGKILL");
    await start(port);
    await held.disposeAsync();
    await main().getByText("done", { exact: true }).waitFor();
    expect(daemon.all().filter(({ event }) => event === "job started")).toEqual([]);
  });
});
