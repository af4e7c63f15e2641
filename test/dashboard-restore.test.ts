import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JobsJson } from "../src/api/contract/jobs.ts";
import type { OverviewJson } from "../src/api/contract/answers.ts";
import { livingJobs } from "../src/daemon/job-process.ts";
import { asUser } from "./support/api-access.ts";
import {
  barriersOf,
  buildDashboard,
  openContext,
  signIn,
  startBrowser,
  typeConfirmation,
} from "./support/browser.ts";
import { runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";
import { pauseSql } from "./support/stuck-restore.ts";

// A restore of a backup that has this row does not go on.
const STUCK = 1000;

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let daemon: Served;
let browser: Browser;
let url: string;
let first: string;

async function backUp(): Promise<string> {
  const { code, stdout, stderr } = await runCli(["backup", "data", "--json"], { cwd: folder.path });
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { readonly id: string }).id;
}

beforeAll(async () => {
  const built = buildDashboard();
  const started = startBrowser();
  live = await freshDatabase({
    sql: `${pauseSql("public", STUCK)}
      create table item (id int primary key check (pause(id)));
      insert into item select generate_series(1, 100)`,
  });
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases: { data: { url: "${live.url}", repository: local } }
`,
  );
  first = await backUp();
  await asUser(folder.path, "admin");
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

/** Signed in, on the page that restores a backup, which is to take the place of the live database. */
async function aboutToSwap(page: Page, backup: string): Promise<void> {
  await page.goto(`${url}/databases/data/restore?backup=${backup}`);
  await signIn(page, "admin");
  await page.getByRole("radio", { name: "In place of the live database" }).check();
  await planned(page);
}

/** Asks what would be done, and types what a confirmation takes. */
async function planned(page: Page): Promise<void> {
  await page.getByRole("button", { name: "What would be done?" }).click();
  await typeConfirmation(page, "data");
}

const replace = (page: Page) => page.getByRole("button", { name: "Replace the live database" });

async function restores(page: Page): Promise<JobsJson["jobs"]> {
  const answer = await page.request.get(`${url}/api/jobs?database=data`);
  return ((await answer.json()) as JobsJson).jobs.filter(({ kind }) => kind === "restore");
}

async function rows(): Promise<number> {
  const [row] = await live.query<{ count: string }>("select count(*) from item");
  return Number(row?.count);
}

test("a double click restores once; whoever loads the page again finds it, and sees what an undo would set aside", async () => {
  await using context = await openContext(browser);
  const page = await context.newPage();
  await aboutToSwap(page, first);
  await page.getByText("the present database is kept beside it").waitFor();
  await replace(page).dblclick();
  await page.getByText("done", { exact: true }).waitFor();
  expect(await restores(page)).toHaveLength(1);

  await page.reload();
  await page.getByText("done", { exact: true }).waitFor();
  await live.query("insert into item values (201), (202)");
  await page.getByRole("link", { name: "Undo …" }).click();
  await planned(page);
  await page.getByText("2 rows written since the swap").waitFor();
  await page.getByText("public.item: 2 rows").waitFor();
  expect(await barriersOf(page)).toEqual([]);
});

test("a restore that is killed, or stopped, is said to have replaced nothing, and no older one is offered to be undone", async () => {
  await live.query(`insert into item values (${STUCK})`);
  const stuck = await backUp();
  const before = await rows();
  await using context = await openContext(browser);
  const page = await context.newPage();
  await aboutToSwap(page, stuck);
  await replace(page).click();
  await page.getByText("running", { exact: true }).waitFor();
  expect(await page.getByText("The way back").count()).toBe(0);
  const [job] = await restores(page);
  const pid = (await livingJobs()).get(job?.id ?? "");
  // Zero would be our own group.
  if (pid === undefined) throw new Error(`nothing does job ${job?.id}`);
  process.kill(pid, "SIGKILL");
  await page.getByText("It was interrupted").waitFor();
  await page.getByText("The live database was not replaced").waitFor();
  expect(await page.getByText("Undo …").count()).toBe(0);

  await page.getByRole("button", { name: "Another restore" }).click();
  await page.goto(`${url}/databases/data/restore?backup=${stuck}`);
  await page.getByRole("radio", { name: "In place of the live database" }).check();
  await planned(page);
  await replace(page).click();
  await page.getByRole("button", { name: "Stop it" }).click();
  await page.getByText("It was stopped by admin").waitFor();
  await page.getByText("The live database was not replaced").waitFor();
  expect(await barriersOf(page)).toEqual([]);
  expect(await rows()).toBe(before);
});

test("any backup can be verified, and restored, from its own page", async () => {
  await using context = await openContext(browser);
  const page = await context.newPage();
  await page.goto(`${url}/databases/data/backups/${first}`);
  await signIn(page, "admin");
  await page.getByRole("button", { name: "Restore it …" }).click();
  await page.waitForURL(`**/databases/data/restore?backup=${first}`);
  await page.goBack();
  await page.getByRole("button", { name: "Verify it" }).click();
  await page.getByText(`handled verify data ${first}`, { exact: true }).waitFor();
  await page.locator("main").getByText("done", { exact: true }).waitFor();
  await page.goBack();
  await page.getByText(/^proven: /).waitFor();
  expect(await barriersOf(page)).toEqual([]);
});

test("whose session is over when they confirm is asked to sign in at once", async () => {
  await using context = await openContext(browser);
  const page = await context.newPage();
  await aboutToSwap(page, first);
  const before = (await restores(page)).length;
  // Nothing else that the page asks for now and then is what tells it.
  const others = "**/api/**";
  await page.route(others, async (route) => {
    const asked = route.request();
    await (asked.method() === "POST" || asked.url().endsWith("/api/session")
      ? route.continue()
      : route.abort());
  });
  await context.clearCookies();
  await replace(page).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await page.unroute(others);
  await signIn(page, "admin");
  await page.getByRole("radio", { name: "In place of the live database" }).waitFor();
  expect(await restores(page)).toHaveLength(before);
});

test("a broken promise is not called a loss: what could be brought back, and as of when, is said all the same", async () => {
  await using context = await openContext(browser);
  const page = await context.newPage();
  const found = { severity: "critical", id: "server-unreachable", subject: "", message: "nobody answers" };
  await page.route("**/api/overview", async (route) => {
    const answer = await route.fetch();
    const status = (await answer.json()) as OverviewJson;
    const [data] = status.databases;
    const provenPoint = { kind: "backup", id: first, at: "2026-11-29T16:05:28.000Z" };
    const problems = [{ ...found, hint: null, evidence: {} }];
    await route.fulfill({
      response: answer,
      json: {
        ...status,
        at: lookedAt ?? status.at,
        healthy: false,
        databases: [
          { ...data, provenPoint: isProven ? provenPoint : null, problems },
          { ...data, database: "gone", newestPoint: null, provenPoint: null },
        ].slice(0, shown),
      },
    });
  });
  let shown = 1;
  let isProven = true;
  let lookedAt: string | undefined;
  await page.goto(url);
  await signIn(page, "admin");
  await page.getByText("All could be brought back, but not all is as promised: data").waitFor();
  await page.getByText(/^Each database as of Nov 29, 2026/).waitFor();
  expect(await page.getByText("Not everything could be brought back").count()).toBe(0);
  // What was never tried nobody knows to come back.
  isProven = false;
  await page.reload();
  await page.getByText("Not all is as promised: data", { exact: true }).waitFor();
  await page.getByText(/not of each was one restored and compared/).waitFor();
  shown = 2;
  await page.reload();
  await page.getByText("Not everything could be brought back: gone", { exact: true }).waitFor();
  // A daemon that hangs on a disk that does not answer goes on showing what it has found last.
  lookedAt = new Date(Date.now() - 20 * 60_000).toISOString();
  await page.reload();
  await page.getByText("How it is now nobody knows").waitFor();
});
