import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asUser, PASSWORD } from "./support/api-access.ts";
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
import { type OidcProvider, oidcProvider } from "./support/oidc-provider.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let receiver: HttpReceiver;
let provider: OidcProvider;
let daemon: Served;
let browser: Browser;
let url: string;

const strategyOf = (oidc: string): string => `version: 1
timezone: UTC
repositories: { local: { url: backups } }
duties: [{ name: look, every: weekly, database: data, what: Look at the provider's dashboard }]
notify:
  channels:
    team: { kind: slack, url: "\${TEAM_URL}/team" }
    desk: { kind: slack, url: "\${TEAM_URL}/gone" }
  routes: [{ databases: [data], channels: [team, desk] }]
databases:
  data:
    url: "${live.url}"
    repository: local
    backups: [{ name: nightly, kind: snapshot, schedule: "0 2 * * *" }]
    verify: [{ name: proof, level: content, schedule: "0 4 1 1 *" }]
${oidc}`;

beforeAll(async () => {
  const built = buildDashboard();
  const started = startBrowser();
  receiver = await httpReceiver(({ path }) => (path === "/gone" ? 410 : 200));
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
  folder = await temporaryFolder();
  const file = join(folder.path, "handled.yaml");
  await writeFile(file, strategyOf(""));
  const env = { TEAM_URL: receiver.url };
  const backup = await runCli(["backup", "data", "--backup", "nightly"], { cwd: folder.path, env });
  if (backup.code !== 0) throw new Error(backup.stderr);
  // That nothing runs what is scheduled, which the channels are told.
  await runCli(["status", "--notify"], { cwd: folder.path, env });
  for (const role of ["viewer", "operator", "admin"] as const) await asUser(folder.path, role);
  daemon = serve(folder.path, { env });
  url = await daemon.url();
  provider = await oidcProvider(`${url}/api/oidc/callback`, {
    olga: { preferred_username: "olga", groups: ["on-call"] },
    ada: { preferred_username: "ada", groups: ["chiefs"] },
    guest: { preferred_username: "guest", groups: ["guests"] },
  });
  await writeFile(
    file,
    strategyOf(`daemon:
  oidc:
    name: Example Login
    issuer: ${provider.issuer}
    clientId: ${provider.clientId}
    clientSecret: ${provider.clientSecret}
    scopes: [groups]
    roles: { operator: [on-call], admin: [chiefs] }
`),
  );
  await daemon.looked();
  await built;
  browser = await started;
});
afterAll(async () => {
  await browser.close();
  await daemon[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

/** A browser of somebody who has signed in. */
async function enter(name: string, password = PASSWORD) {
  const context = await openContext(browser);
  const answer = await context.request.post(`${url}/api/session`, { data: { name, password } });
  expect(answer.status()).toBe(200);
  const page = await context.newPage();
  const complaints = complaintsOf(page);
  return {
    context,
    page,
    /** But for refusals, of each of which Chromium says that it is one. */
    complaints: () => complaints.filter((text) => !/status of 4\d\d/.test(text)),
    [Symbol.asyncDispose]: async () => await context.close(),
  };
}

const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name });

test("a duty is recorded with a note in the name of whoever did it; a machine's leads to what shows it", async () => {
  await using viewer = await enter("viewer");
  await viewer.page.goto(`${url}/checklist`);
  await viewer.page.getByText("Look at the provider's dashboard").waitFor();
  expect(await button(viewer.page, /^Record/).count()).toBe(0);

  await using operator = await enter("operator");
  const { page } = operator;
  await page.goto(`${url}/checklist`);
  await button(page, "Record … look as done").click();
  await page.getByLabel("What did you see?").fill("two backups, <b>both</b> green");
  expect(await barriersOf(page)).toEqual([]);
  await button(page, "It is done").click();
  await page.getByText(/^operator on .*: two backups, <b>both<\/b> green$/).waitFor();
  const row = page.getByRole("row", { name: /Look at the provider/ });
  await row.getByText("done", { exact: true }).waitFor();
  await row.getByText(/^(now|\d+ s ago)$/).waitFor();

  await page
    .getByRole("link", { name: /^\d{8}T\d{6}Z-/ })
    .first()
    .click();
  await page.getByRole("heading", { name: "Tables" }).waitFor();
  expect(operator.complaints()).toEqual([]);
});

test("a channel that does not work is told with its reason; a test goes out when somebody asks for it, and not again and again", async () => {
  await using operator = await enter("operator");
  const { page } = operator;
  await page.goto(`${url}/settings`);
  const section = (name: string) => page.getByRole("region", { name });
  await section("team").getByText("everything of data").waitFor();
  await section("desk").getByText("does not arrive").waitFor();
  await section("desk")
    .getByText(/answered 410/)
    .first()
    .waitFor();

  const before = receiver.requests.length;
  await section("team").getByRole("button", { name: "Send a test" }).click();
  await section("team").getByText("The test has arrived").waitFor();
  const sent = receiver.requests.slice(before).filter(({ body }) => body.includes("a test of"));
  expect(sent.map(({ path }) => path)).toEqual(["/team"]);

  // Within a minute of the first.
  const body = { kind: "notify-test", options: { channel: "team" } };
  const codes = [];
  for (let i = 0; i < 5; i++)
    codes.push((await operator.context.request.post(`${url}/api/jobs`, { data: body })).status());
  expect(codes).toEqual([201, 201, 201, 201, 429]);
  await section("team").getByRole("button", { name: "Send a test" }).click();
  await section("team")
    .getByText(/^test team: try again in \d+ s$/)
    .waitFor();

  await section("desk").getByRole("button", { name: "Send a test" }).click();
  await section("desk").getByText("The test did not arrive").waitFor();
  await section("desk")
    .getByText(/answered 410/)
    .nth(1)
    .waitFor();
  expect(await barriersOf(page)).toEqual([]);

  await using viewer = await enter("viewer");
  await viewer.page.goto(`${url}/settings/channels`);
  await viewer.page.getByText("everything of data").first().waitFor();
  expect(await button(viewer.page, "Send a test").count()).toBe(0);
  expect(operator.complaints()).toEqual([]);
});

test("a user is added, signs in, becomes more, and is removed; the last admin stays", async () => {
  await using admin = await enter("admin");
  const { page } = admin;
  await page.goto(`${url}/settings/users`);
  await button(page, "Add a user").click();
  await page.getByRole("textbox", { name: "Name" }).fill("eve");
  await button(page, "Make one up").click();
  const password = await page.getByLabel(/^Password, to hand over/).inputValue();
  expect(await barriersOf(page)).toEqual([]);
  await page.getByRole("textbox", { name: "Your own password" }).fill("not the right one");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText("eve: the password is not right").waitFor();
  await page.getByRole("textbox", { name: "Your own password" }).fill(PASSWORD);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByRole("row", { name: /^eve viewer/ }).waitFor();

  await using eve = await enter("eve", password);
  await eve.page.goto(`${url}/settings/users`);
  await eve.page.getByText("This takes an admin").waitFor();
  expect(await eve.page.getByRole("link", { name: "Users" }).count()).toBe(0);

  await button(page, "Role … eve").click();
  await page.getByRole("combobox", { name: "Role" }).click();
  await page.getByRole("option", { name: "operator" }).click();
  await typeConfirmation(page, "eve");
  await button(page, "Make eve operator").click();
  await page.getByRole("row", { name: /^eve operator/ }).waitFor();
  await eve.page.goto(`${url}/checklist`);
  await button(eve.page, "Record … look as done").waitFor();

  await button(page, "Remove … eve").click();
  await typeConfirmation(page, "eve");
  await page.getByRole("dialog").getByRole("button", { name: "Remove eve" }).click();
  await page.getByRole("row", { name: /^eve/ }).waitFor({ state: "detached" });
  await eve.page.reload();
  await eve.page.getByRole("heading", { name: "Sign in" }).waitFor();

  await button(page, "Remove … admin").click();
  await typeConfirmation(page, "admin");
  await page.getByRole("dialog").getByRole("button", { name: "Remove admin" }).click();
  await page.getByText("user admin: nobody else is admin").waitFor();
  await page.getByText("make somebody else admin first").waitFor();
  expect(admin.complaints()).toEqual([]);
});

test("a token is made, shown once, opens what it may, and nothing once it is revoked", async () => {
  await using operator = await enter("operator");
  const { page } = operator;
  await page.goto(`${url}/settings/tokens`);
  await button(page, "Make a token").click();
  await page.getByLabel("What is it for?").fill("cron");
  await page.getByRole("combobox", { name: "What may it do?" }).click();
  await page.getByRole("option", { name: "operator" }).waitFor();
  expect(await page.getByRole("option").allInnerTexts()).toEqual(["viewer", "operator"]);
  await page.getByRole("option", { name: "viewer" }).click();
  expect(await barriersOf(page)).toEqual([]);
  await button(page, "Make it").click();
  const secret = await page.getByLabel("Token", { exact: true }).inputValue();
  expect(secret).toMatch(/^hnd_/);
  await button(page, "I have it").click();
  await page.getByRole("row", { name: /^cron/ }).waitFor();
  expect(await page.content()).not.toContain(secret);

  const headers = { authorization: `Bearer ${secret}` };
  const ask = async () => (await fetch(`${url}/api/checklist`, { headers })).status;
  expect(await ask()).toBe(200);
  const more = { method: "POST", headers: { ...headers, "content-type": "application/json" } };
  const body = JSON.stringify({ kind: "notify-test", options: { channel: "team" } });
  expect((await fetch(`${url}/api/jobs`, { ...more, body })).status).toBe(403);
  await button(page, "Revoke … cron").click();
  await button(page, "Revoke it").click();
  await page.getByRole("row", { name: /^cron/ }).waitFor({ state: "detached" });
  expect(await ask()).toBe(401);
  expect(operator.complaints()).toEqual([]);
});

/** Says who it is on the provider's own page. */
async function sayWho(page: Page, name: string): Promise<void> {
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
}

/** Signs in at the provider, as its own pages ask. */
async function signInElsewhere(context: BrowserContext, name: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole("link", { name: "Sign in with Example Login" }).click();
  await sayWho(page, name);
  await page.getByRole("button", { name: "Continue" }).click();
  return page;
}

test("who is known elsewhere comes in; who may not is told why, in words of ours alone", async () => {
  await using olgas = await openContext(browser);
  const olga = await signInElsewhere(olgas, "olga");
  await olga.getByText("olga (operator)").waitFor();

  await using guests = await openContext(browser);
  const guest = await signInElsewhere(guests, "guest");
  await guest.getByText("Example Login knows you, but you may not come in here.").waitFor();
  expect(new URL(guest.url()).search).toBe("?refused=not_allowed");
  expect(await barriersOf(guest)).toEqual([]);
  for (const [code, words] of [
    ["sign_in_failed", "Example Login did not show who you are"],
    ["too_many_tries", "It failed too often in a row."],
  ] as const) {
    await guest.goto(`${url}/sign-in?refused=${code}`);
    await guest.getByRole("alert").getByText(words).waitFor();
  }
  for (const code of ["<b>pwned</b>", "__proto__"]) {
    await guest.goto(`${url}/sign-in?refused=${encodeURIComponent(code)}`);
    const said = await guest.getByRole("alert").innerText();
    expect(said).toMatch(
      /^You were not let in\s+Something went wrong\. Begin again; the daemon's log says more\.$/,
    );
  }
  await guest.getByLabel("Name").fill("viewer");
  await guest.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await guest.getByRole("button", { name: "Sign in", exact: true }).click();
  await guest.getByRole("heading", { name: "Overview" }).waitFor();
});

test("who is known elsewhere is sent there again before something dangerous, and goes on with what was chosen", async () => {
  await using context = await openContext(browser);
  const page = await signInElsewhere(context, "ada");
  await page.getByText("ada (admin)").waitFor();
  await page.goto(`${url}/settings/users`);
  await button(page, "Remove … operator").click();
  await page.getByLabel("Type operator to go on").fill("operator");
  const remove = page.getByRole("dialog").getByRole("button", { name: "Remove operator" });
  await remove.click();
  await page.getByText("operator: ada signed in more than five minutes ago").waitFor();
  const again = page.getByRole("link", { name: "Sign in with Example Login again" });
  expect(await barriersOf(page)).toEqual([]);
  const [other] = await Promise.all([context.waitForEvent("page"), again.click()]);
  await sayWho(other, "ada");
  await other.getByText("ada (admin)").waitFor();
  await other.close();
  await remove.click();
  await page.getByRole("row", { name: /^operator/ }).waitFor({ state: "detached" });
});

test("a change of the strategy is looked at line by line, and never saved", async () => {
  await using admin = await enter("admin");
  const { page } = admin;
  await page.goto(`${url}/settings/strategy`);
  const field = page.getByRole("textbox", { name: "Strategy" });
  const text = await field.inputValue();
  expect(text).toBe(
    (await readFile(join(folder.path, "handled.yaml"), "utf8")).replaceAll(provider.clientSecret, "•••"),
  );
  await button(page, "Validate").click();
  await page.getByText("It could be in force").waitFor();
  await field.fill(
    text.replace("every: weekly", "every: whenever").replace("timezone: UTC", "timezone: Mars"),
  );
  await page.getByText("It could be in force").waitFor({ state: "detached" });
  await button(page, "Validate").click();
  await page.getByText("It could not be in force").waitFor();
  expect(await button(page, /^Line/).allInnerTexts()).toEqual(["Line 2", "Line 4"]);
  expect(await barriersOf(page)).toEqual([]);
  await button(page, "Line 2").click();
  const selected = `(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))(document.activeElement)`;
  expect(await page.evaluate(selected)).toBe("timezone: Mars");
  await button(page, "Back to what is in force").click();
  expect(await field.inputValue()).toBe(text);
  expect(admin.complaints()).toEqual([]);
});

test("the audit log says who did what, is looked through, and holds", async () => {
  await using admin = await enter("admin");
  const { page } = admin;
  await page.goto(`${url}/settings/audit`);
  await page.getByText("unbroken").waitFor();
  await page.getByLabel("Who").fill("oper");
  await page.getByLabel("What").fill("checklist");
  await page.getByRole("row", { name: /operator checklist-done/ }).waitFor();
  await page.getByRole("row", { name: /admin/ }).first().waitFor({ state: "detached" });
  expect(new URL(page.url()).search).toBe("?who=oper&what=checklist");
  await page.getByLabel("What").fill("nothing like it");
  await page.getByText("Nothing of the kind was done").waitFor();
  expect(admin.complaints()).toEqual([]);
});

const PAGES = {
  "/checklist": "Weekly",
  "/settings/strategy": "Validate",
  "/settings/channels": "does not arrive",
  "/settings/users": "Add a user",
  "/settings/tokens": "Make a token",
  "/settings/audit": "unbroken",
  "/settings/account": "Change it",
};

test("everybody can use these pages in both themes, on a telephone and a large screen", async () => {
  await using admin = await enter("admin");
  const { page } = admin;
  for (const [path, text] of Object.entries(PAGES)) {
    await page.goto(`${url}${path}`);
    await page.locator("main").getByText(text).first().waitFor();
    await expectForEverybody(page, path, 1440, 360);
  }
  expect(admin.complaints()).toEqual([]);
});
