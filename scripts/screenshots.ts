/**
 * Makes a picture of every page of the dashboard, light and dark, on a telephone and on a desk, in `screenshots/`; the few that README shows
 * go to `docs/screenshots/` too. What is shown is the demo, which is run for it; `--link LINK` takes one that runs already, by the
 * link that it printed. Needs Chromium.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const ROOT = join(import.meta.dirname, "..");
const ALL = join(ROOT, "screenshots");
const CHOSEN = join(ROOT, "docs/screenshots");
// What README shows.
const IN_README = ["overview-light-1440", "database-light-1440", "restore-light-1440", "recovery-dark-1440"];
const WIDTHS = { 390: 844, 1440: 900 } as const;
const THEMES = ["light", "dark"] as const;
const USER = { name: "ada", password: "correct horse battery staple" };
const LONGEST_MS = 60_000;

interface Shown {
  /** `databases-backup`, say. */
  readonly name: string;
  readonly path: string;
}

/** What is done on a page first, so that it has something to show. Nothing of it changes anything. */
const FIRST: Readonly<Record<string, (page: Page) => Promise<void>>> = {
  restore: async (page) => {
    await page.getByRole("radio", { name: "In place of the live database" }).check();
    await page.getByRole("button", { name: "What would be done?" }).click();
    await page.getByRole("heading", { name: "What would be done" }).waitFor({ timeout: LONGEST_MS });
  },
};

/** Every page there is, with an example of what its address names: read from where the dashboard says it, so that none is forgotten. */
async function pagesOf(example: Readonly<Record<string, string>>): Promise<Shown[]> {
  const source = await readFile(join(ROOT, "web/src/routes.tsx"), "utf8");
  const patterns = [...source.matchAll(/^ {2}"(\/[^"]*)":/gm)].map(([, pattern]) => pattern ?? "");
  if (!patterns.includes("/")) throw new Error("web/src/routes.tsx: its pages are written otherwise now");
  return patterns.map((pattern) => {
    const words = pattern.split("/").filter((word) => word !== "" && !word.startsWith(":"));
    const path = pattern.replace(/:\w+/g, (part, at: number) => {
      const found = example[`${pattern.slice(0, at).split("/").at(-2)}/${part}`];
      if (found === undefined) throw new Error(`${pattern}: say what ${part} is to be`);
      return found;
    });
    return { name: nameOf(words), path };
  });
}

/** `overview`, `database`, `backup`, `restore`, `job`, …: the last word, of one thing where it is one that is shown. */
function nameOf(words: readonly string[]): string {
  const last = words.at(-1) ?? "overview";
  return ["databases", "backups", "jobs"].includes(last) ? last.slice(0, -1) : last;
}

/** The link to the demo, and what ends it. */
async function startDemo(): Promise<{ readonly link: string } & AsyncDisposable> {
  const demo = spawn(process.execPath, [join(ROOT, "bin/handled.js"), "demo"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(demo, "close");
  const [link] = (await Promise.race([
    once(createInterface({ input: demo.stdout }), "line"),
    closed.then(() => [""]),
  ])) as [string];
  if (link === "") throw new Error("the demo ended before there was a dashboard");
  return {
    link,
    [Symbol.asyncDispose]: async () => {
      demo.kill("SIGINT");
      await closed;
    },
  };
}

/** Makes the first user, or signs in where that was done before. */
async function enter(context: BrowserContext, { origin, hash }: URL): Promise<void> {
  const made = await context.request.post(`${origin}/api/set-up`, {
    data: { token: hash.slice(1), ...USER },
  });
  if (made.ok()) return;
  const entered = await context.request.post(`${origin}/api/session`, { data: USER });
  if (!entered.ok()) throw new Error(`sign in: ${await entered.text()}`);
}

/** Backs `data` up, so that there is a job to look at; returns its id. */
async function makeJob(context: BrowserContext, origin: string): Promise<string> {
  const data = { kind: "backup", database: "data", options: {} };
  const started = await context.request.post(`${origin}/api/jobs`, { data });
  const { id } = (await started.json()) as { readonly id: string };
  // The stream ends when the job has ended.
  await context.request.get(`${origin}/api/jobs/${id}/events`, { timeout: LONGEST_MS });
  return id;
}

/** Shows a page, and returns once it has what it is about, and draws nothing any more. */
async function settle(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator("main").waitFor();
  await page.waitForLoadState("networkidle");
  await page.getByRole("status", { name: "Loading" }).waitFor({ state: "detached", timeout: LONGEST_MS });
  // What is asked for once the page is there.
  await page.waitForLoadState("networkidle");
  await page.evaluate("document.fonts.ready");
}

async function photograph(browser: Browser, origin: URL, shown: readonly Shown[]): Promise<void> {
  const { storageState } = await signedIn(browser, origin);
  for (const colorScheme of THEMES) {
    for (const [width, height] of Object.entries(WIDTHS)) {
      await using context = await browser.newContext({
        storageState,
        colorScheme,
        viewport: { width: Number(width), height },
        reducedMotion: "reduce",
        locale: "en-GB",
        timezoneId: "Europe/Berlin",
      });
      const page = await context.newPage();
      for (const { name, path } of shown) {
        await settle(page, `${origin.origin}${path}`);
        await FIRST[name]?.(page);
        const picture = `${name}-${colorScheme}-${width}`;
        const isChosen = IN_README.includes(picture);
        await page.screenshot({
          path: join(ALL, `${picture}.png`),
          // README's are what one sees first.
          fullPage: !isChosen,
          animations: "disabled",
        });
        if (isChosen) await copyFile(join(ALL, `${picture}.png`), join(CHOSEN, `${picture}.png`));
      }
    }
  }
}

type StorageState = Awaited<ReturnType<BrowserContext["storageState"]>>;

async function signedIn(browser: Browser, link: URL): Promise<{ readonly storageState: StorageState }> {
  await using context = await browser.newContext();
  await enter(context, link);
  return { storageState: await context.storageState() };
}

const { values } = parseArgs({ options: { link: { type: "string" } } });
await rm(ALL, { recursive: true, force: true });
await mkdir(ALL);
await mkdir(CHOSEN, { recursive: true });
await using demo =
  values.link === undefined
    ? await startDemo()
    : { link: values.link, [Symbol.asyncDispose]: async () => await Promise.resolve() };
const link = new URL(demo.link);
// Its own sandbox needs rights that a container's root has not; it sees pages of ours alone.
await using browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
await using context = await browser.newContext();
await enter(context, link);
const job = await makeJob(context, link.origin);
const shown = await pagesOf({ "databases/:database": "data", "backups/:id": "latest", "jobs/:id": job });
await photograph(browser, link, [...shown, { name: "not-found", path: "/nowhere" }]);
console.log(`${shown.length + 1} pages are in ${ALL}`);
