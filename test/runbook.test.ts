import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RunbookJson } from "../src/json/runbook.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";

const SECRET = "never-on-paper";
let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
});
afterAll(async () => await live[Symbol.asyncDispose]());

async function openSite() {
  const there = await temporaryFolder();
  const url = new URL(live.url);
  url.password = SECRET;
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: "back ups" }, other: { url: "\${COPIES_FOLDER:-copies}" } }
databases:
  data:
    url: ${url.href}
    objectives: { rpo: 24h, rto: 4h }
    repositories: [local, other]
    backups: [{ name: nightly, schedule: "0 2 * * *" }]
    verify: [{ name: proof, level: content, schedule: "0 4 * * 0" }]
duties: [{ name: dashboard-review, every: weekly, what: "Look at the provider's *dashboard* | <all of it>" }]
contacts: [{ name: Ada, role: on call, phone: "+49 30 1234" }]
`,
    { mode: 0o600 },
  );
  return {
    path: there.path,
    cli: async (...args: string[]): Promise<CliResult> => await runCli(args, { cwd: there.path }),
    [Symbol.asyncDispose]: async () => await there[Symbol.asyncDispose](),
  };
}

/** The lines of the fenced block under a heading. */
function linesUnder(markdown: string, title: string): string[] {
  const section = markdown.split(`\n## ${title}\n`)[1]?.split("\n## ")[0] ?? "";
  return /^```sh\n(.*?)\n```$/ms.exec(section)?.[1]?.split("\n") ?? [];
}

/** A command line as a shell takes it apart. */
function words(line: string): string[] {
  return execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" })
    .split("\0")
    .slice(0, -1);
}

test("every line of its quick reference runs as it stands, and leaves the live database alone", async () => {
  await using site = await openSite();
  await using restored = new AsyncDisposableStack();
  restored.defer(async () => {
    const rows = await runSql<{ name: string }>(
      clusterUrl(),
      `select datname as name from pg_database where datname like '%\\_restored' and datname like '${live.name.slice(0, 20)}%'`,
    );
    for (const { name } of rows) await runSql(clusterUrl(), `drop database "${name}"`);
  });
  expect(await site.cli("backup")).toMatchObject({ code: 0 });
  expect(await site.cli("verify", "data", "--level", "content")).toMatchObject({ code: 0 });
  expect(await site.cli("checklist", "done", "dashboard-review")).toMatchObject({ code: 0 });
  const { page } = RunbookJson.parse(jsonOf(await site.cli("runbook", "--json")));
  const lines = linesUnder(page ?? "", "Quick reference");
  expect(lines.map((line) => words(line)[1])).toEqual([
    "status",
    "list",
    "backup",
    "verify",
    "restore",
    "restore",
    "recover",
    "drill",
    "checklist",
    "history",
    "kit",
  ]);
  for (const line of lines) {
    const [program, ...args] = words(line);
    expect(program).toBe("handled");
    // Run anywhere else than beside the strategy.
    const result = await runCli(args, { cwd: join(site.path, "back ups") });
    expect({ line, ...result }).toMatchObject({ line, code: 0 });
  }
  const beside = `${live.name.slice(0, 20)}_restored`;
  const back = new URL(live.url);
  back.pathname = `/${beside}`;
  expect(await runSql(back.href, "select count(*)::int as n from item")).toEqual([{ n: 100 }]);
  expect(await live.query("select count(*)::int as n from item")).toEqual([{ n: 100 }]);
});

test("it says what could be recovered and what is wrong, as Markdown and HTML, without a secret", async () => {
  await using site = await openSite();
  const bare = await site.cli("runbook");
  expect(bare).toMatchObject({ code: 0 });
  expect(bare.stdout).toContain("There is no backup to restore");
  expect(bare.stdout).toContain("data: not as it should be");
  expect(await site.cli("backup")).toMatchObject({ code: 0 });
  const { stdout } = await site.cli("runbook");
  for (const words of [
    "Ada",
    "+49 30 1234",
    "RPO 1 d",
    "RTO 4 h",
    "from the shell they are typed in: COPIES\\_FOLDER. Where",
    "verify proof",
    "--undo",
    "/back ups",
    "Restore data into",
    "never rehearsed",
    "handled drill",
  ])
    expect(stdout).toContain(words);
  // What the strategy says cannot become markup.
  expect(stdout).toContain(String.raw`\*dashboard\* \| \<all of it\>`);
  const html = join(site.path, "runbook.html");
  expect(await site.cli("runbook", "--file", html)).toMatchObject({ code: 0, stdout: "" });
  const page = await readFile(html, "utf8");
  expect(page).toContain("<h1>Runbook</h1>");
  expect(page).toContain("*dashboard* | &lt;all of it&gt;");
  expect(stdout + page).not.toContain(SECRET);
});

test("without a strategy, and where it cannot be written, it says so", async () => {
  await using there = await temporaryFolder();
  expect(await runCli(["runbook"], { cwd: there.path })).toMatchObject({ code: 2 });
  await using site = await openSite();
  for (const command of ["runbook", "kit"]) {
    const { code, stderr } = await site.cli(command, "--file", join(site.path, "no", "where.md"));
    expect(code).toBe(2);
    expect(stderr).toContain("where.md: the folder");
    expect(stderr).toContain("mkdir -p");
  }
});
