import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killGroup, livingJobs } from "../src/daemon/job-process.ts";
import { asUser, PASSWORD } from "./support/api-access.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import {
  barriersOf,
  buildDashboard,
  complaintsOf,
  expectForEverybody,
  openContext,
  startBrowser,
  typeConfirmation,
} from "./support/browser.ts";
import { runCli } from "./support/cli.ts";
import { type HttpReceiver, httpReceiver } from "./support/http-receiver.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

// `data` has an application, which a recovery waits for until it works; `stock` is the smaller of the two.

const SECRET = "a-secret-of-the-address";

let data: FreshDatabase;
let stock: FreshDatabase;
let application: HttpReceiver;
let works = true;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let daemon: Served;
let browser: Browser;
let page: Page;
let complaints: readonly string[];
/** When the newest backup of `data` was taken. */
let at: string;

beforeAll(async () => {
  const built = buildDashboard();
  const started = startBrowser();
  application = await httpReceiver(() => (works ? 200 : 503));
  data = await freshDatabase({
    sql: "create table item (id int primary key); insert into item select generate_series(1, 100)",
  });
  stock = await freshDatabase({ sql: "create table stock as select 7 as n" });
  folder = await temporaryFolder();
  const env = { XDG_STATE_HOME: join(folder.path, "state") };
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  data:
    url: "${data.url}"
    backups: [{ name: nightly, kind: snapshot }]
    application: { stop: "true", start: "true", health: "${application.url}/health" }
  stock: { url: "${stock.url}", backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
  for (const database of ["stock", "data"]) {
    const backup = await runCli(["backup", database], { cwd: folder.path, env });
    if (backup.code !== 0) throw new Error(backup.stderr);
  }
  at = new Date().toISOString();
  await asUser(folder.path, "admin", { env });
  await built;
  browser = await started;
  daemon = serve(folder.path, { env });
  const context = await openContext(browser, { timezoneId: "UTC" });
  const url = await daemon.url();
  await context.request.post(`${url}/api/session`, { data: { name: "admin", password: PASSWORD } });
  page = await context.newPage();
  complaints = complaintsOf(page);
  await page.goto(`${url}/recovery`);
});
afterAll(async () => {
  await browser.close();
  await daemon[Symbol.asyncDispose]();
  await application[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await data[Symbol.asyncDispose]();
  await stock[Symbol.asyncDispose]();
});

const main = (): ReturnType<Page["locator"]> => page.locator("main");
const button = (name: string | RegExp) => main().getByRole("button", { name });

/** Opens a disaster of a database, or of several. */
async function open(of: string, disaster: RegExp): Promise<void> {
  const pages = page.getByRole("navigation", { name: "Pages" });
  await pages.getByRole("link", { name: "Recovery" }).click();
  await page.waitForURL(({ pathname, search }) => `${pathname}${search}` === "/recovery");
  // What was open is closed then.
  await expect.poll(async () => await main().locator("[aria-expanded=true]").count()).toBe(0);
  await page.getByRole("region", { name: of }).getByRole("button", { name: disaster }).click();
}

/** Types the name and the password again, and does it. */
async function confirm(name: string, label: string): Promise<void> {
  await typeConfirmation(page, name);
  await page.getByRole("button", { name: label, exact: true }).click();
  await page.getByRole("heading", { name: /^recover/ }).waitFor();
}

async function isDone(): Promise<void> {
  await main().getByText("done", { exact: true }).first().waitFor();
}

async function rows(): Promise<number> {
  const [row] = await data.query<{ count: string }>("select count(*) from item");
  return Number(row?.count);
}

/** Deletes rows, begins to bring them back, and kills that when they are there and the application does not work yet. */
async function recoverAndKill(): Promise<void> {
  await data.query("delete from item where id > 90");
  works = false;
  const asked = application.requests.length;
  await open("data", /Data was deleted/);
  await page.getByLabel("Tables that lost rows").fill("public.item");
  await page
    .getByRole("table", { name: "Steps of the plan" })
    .getByText("Insert the missing", { exact: false })
    .waitFor();
  await button("Recover for real …").click();
  await confirm("data", "Recover");
  await expect.poll(() => application.requests.length, { timeout: 60_000 }).toBeGreaterThan(asked);
  expect(await rows()).toBe(100);
  const id = new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const pid = (await livingJobs()).get(id);
  if (pid === undefined) throw new Error(`nothing does job ${id}`);
  killGroup(pid, "SIGKILL");
  await main().getByText("interrupted", { exact: true }).first().waitFor();
  works = true;
}

describe("the dashboard", { timeout: 180_000 }, () => {
  test("goes on with a recovery whose process was killed, by what was chosen then", async () => {
    await recoverAndKill();
    await open("data", /Data was deleted not ended/);
    await button("Go on, or back …").click();
    await main().getByText("It goes on with what was chosen then.", { exact: false }).waitFor();
    expect(await main().getByRole("radio", { name: "Go on" }).isChecked()).toBe(true);
    expect(await barriersOf(page)).toEqual([]);
    await confirm("data", "Go on");
    await isDone();
    await main().getByText("going on with the recovery that began", { exact: false }).waitFor();
    expect(await rows()).toBe(100);
    await open("data", /Data was deleted/);
    await button("Recover for real …").waitFor();
  });

  test("goes back from a recovery whose process was killed, and one begun anew is a new one", async () => {
    await recoverAndKill();
    await open("data", /Data was deleted not ended/);
    await button("Go on, or back …").click();
    await main().getByRole("radio", { name: "Go back" }).check();
    await confirm("data", "Go back");
    await isDone();
    expect(await rows()).toBe(90);

    await recoverAndKill();
    await data.query("delete from item where id > 95");
    await open("data", /Data was deleted not ended/);
    await page.getByLabel("Tables that lost rows").fill("public.item");
    await button("Go on, or back …").click();
    await main().getByRole("radio", { name: "Begin anew" }).check();
    await confirm("data", "Recover");
    await isDone();
    await open("data", /Data was deleted/);
    await button("Recover for real …").waitFor();
    expect(await main().getByText("not ended").count()).toBe(0);
    expect(await rows()).toBe(100);
  });

  test("recovers to another place, whose password is told to nobody", async () => {
    await using elsewhere = expectedDatabase(uniqueName());
    const address = new URL(elsewhere.url);
    address.password = SECRET;
    await open("stock", /The server is lost/);
    await page.getByLabel("To another server than before").check();
    const where = page.getByRole("textbox", { name: "Where to" });
    await where.fill("db.example.com");
    await main().getByText("It begins with postgresql://").waitFor();
    await expectForEverybody(page, "an address that is none", 1440);
    await where.fill(address.href);
    const plan = page.getByRole("table", { name: "Steps of the plan" });
    await plan.getByText(`/${elsewhere.name}`, { exact: false }).first().waitFor();
    await expectForEverybody(page, "recovering elsewhere", 360, 1440);
    await button("Recover for real …").click();
    await confirm("stock", "Recover");
    await isDone();
    expect(await elsewhere.query("select n from stock")).toEqual([{ n: 7 }]);
    expect(await page.content()).not.toContain(SECRET);
    const kept = await readdir(folder.path, { recursive: true, withFileTypes: true });
    const files = kept.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
    expect(files.some((path) => path.endsWith("job.json"))).toBe(true);
    for (const path of files) expect((await readFile(path, "latin1")).includes(SECRET), path).toBe(false);
  });

  test("brings several back to one moment, and shows before how far apart that is", async () => {
    const time = at.slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_");
    await using beside = new AsyncDisposableStack();
    for (const { name } of [data, stock]) beside.use(expectedDatabase(`${name}_together_${time}`));
    await open("Several databases", /Several, back to one moment/);
    await main().getByText("Say first as of when they are to be.").first().waitFor();
    await page.getByLabel("As of when").fill(at.slice(0, 19));
    const points = page.getByRole("table", { name: "What each comes back to" });
    await points.getByRole("row", { name: /^stock .* before/ }).waitFor();
    await main()
      .getByText(/^Their data is .* apart\.$/)
      .waitFor();
    await expectForEverybody(page, "several to one moment", 360, 1440);
    await page.getByRole("checkbox", { name: "stock" }).uncheck();
    await main().getByText("Say first which databases belong together: two at least.").first().waitFor();
    await page.getByRole("checkbox", { name: "stock" }).check();
    await points.waitFor();
    await button("Recover for real …").click();
    await main().getByText("This is no drill: data, stock").waitFor();
    await confirm("data", "Recover");
    await isDone();
    await main().getByText("their data is", { exact: false }).first().waitFor();
    expect(complaints).toEqual([]);
  });
});
