import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { StatusJson } from "../src/json/status.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { parsePrometheus, type Scrape } from "./support/prometheus-text.ts";
import { serve } from "./support/serve.ts";

const ROOT = join(import.meta.dirname, "..");
const DATABASE = { database: "bank" };

let live: FreshDatabase;
let there: Awaited<ReturnType<typeof temporaryFolder>>;
let cwd: string;

const STRATEGY = (url: string): string => `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  bank:
    url: ${url}
    objectives: { rpo: 1d, rto: 1h }
    backups: [{ name: nightly, schedule: "0 2 1 1 *" }]
  new: { url: ${url}, backups: [{ name: never, schedule: "0 2 1 1 *" }] }
daemon: { retries: 0 }
`;

beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
  there = await temporaryFolder();
  cwd = there.path;
  await writeFile(join(cwd, "handled.yaml"), STRATEGY(live.url));
  for (const args of [
    ["backup", "bank"],
    ["verify", "bank", "--level", "content"],
  ]) {
    const done = await runCli(args, { cwd });
    expect(done.code, done.stderr).toBe(0);
  }
});
afterAll(async () => {
  await live[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
});

const status = async (...args: string[]) => await runCli(["status", ...args], { cwd });

/** Compares what does not change from one moment to the next. */
async function expectSameAsStatus({ value }: Scrape): Promise<void> {
  const { databases } = StatusJson.parse(jsonOf(await status("--json")));
  const bank = databases.find(({ database }) => database === "bank");
  const newest = bank?.newest;
  const at = (time: string | undefined): number => Date.parse(time ?? "") / 1000;
  const figures = [
    "database_healthy",
    "backups",
    "backups_stored_bytes",
    "last_backup_timestamp_seconds",
    "last_backup_duration_seconds",
    "last_backup_rows",
    "last_backup_size_bytes",
    "last_backup_stored_bytes",
    "last_proven_backup_timestamp_seconds",
    "recovery_measured_seconds",
    "objective_rpo_seconds",
    "objective_rto_seconds",
  ];
  expect(bank?.newestProven).toBe(newest?.id);
  expect(figures.map((name) => value(`handled_${name}`, DATABASE))).toEqual([
    bank?.healthy === true ? 1 : 0,
    1,
    bank?.storedBytes,
    at(newest?.snapshotAt),
    (newest?.durationMs ?? 0) / 1000,
    100,
    newest?.bytes,
    newest?.storedBytes,
    at(newest?.snapshotAt),
    (bank?.timeToRecover.measuredMs ?? 0) / 1000,
    86_400,
    3600,
  ]);
  const risk = value("handled_data_at_risk_seconds", DATABASE) ?? 0;
  expect(risk).toBeGreaterThan(0);
  expect(risk).toBeLessThanOrEqual((bank?.dataAtRiskMs ?? 0) / 1000);
  expect(value("handled_last_proof_timestamp_seconds", DATABASE)).toBeGreaterThan(at(newest?.finishedAt));
  expect(value("handled_recent_runs", { ...DATABASE, operation: "verify", outcome: "done" })).toBe(1);
  expect(value("handled_database_known", { database: "new" })).toBe(1);
  expect(value("handled_last_backup_timestamp_seconds", { database: "new" })).toBeUndefined();
}

test("status writes a file for node_exporter, whole and for all to read, and says the same on standard output", async () => {
  const path = join(cwd, "handled.prom");
  await writeFile(path, "old");
  const umask = process.umask(0o077);
  const written = await status("--metrics", "handled.prom").finally(() => process.umask(umask));
  expect(written.code, written.stderr).toBe(4);
  expect(written.stdout).toContain("HEALTH");
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect((await readdir(cwd)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  const scrape = parsePrometheus(await readFile(path, "utf8"));
  await expectSameAsStatus(scrape);
  // node_exporter has these of its own, and takes no second ones.
  expect([...scrape.types.keys()].filter((name) => !name.startsWith("handled_"))).toEqual([]);
  const printed = await status("--metrics", "-");
  await expectSameAsStatus(parsePrometheus(printed.stdout));
});

test("a file that node_exporter would not read, or that cannot be written, is refused, and the old one stays", async () => {
  for (const [file, reason] of [
    ["handled.txt", "names that end in .prom"],
    ["no/such.prom", "missing or not writable"],
    ["backups", "names that end in .prom"],
  ] as const) {
    const refused = await status("--metrics", file);
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toContain(reason);
    expect(refused.stderr).toContain("hint:");
  }
  expect((await status("--metrics", "-", "--json")).code).toBe(2);
});

test("the daemon serves what it has found, and the rules and the dashboard ask for nothing else", async () => {
  await using served = serve(cwd);
  const [listening] = await served.events("listening", 1);
  const url = /http:\S+/.exec(listening?.message ?? "")?.[0] ?? "";
  const scrape = async (): Promise<string> => {
    const response = await fetch(url);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    return await response.text();
  };
  await expect.poll(scrape).toContain("handled_look_timestamp_seconds ");
  const text = await scrape();
  const found = parsePrometheus(text);
  await expectSameAsStatus(found);
  const { password } = new URL(live.url);
  expect(text).not.toMatch(/postgres(ql)?:/);
  if (password !== "") expect(text).not.toContain(password);
  expect(found.value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  expect((await fetch(new URL("/healthz", url))).status).toBe(200);

  const asked = [...(await namesInRules()), ...(await namesInDashboard())];
  expect(asked.length).toBeGreaterThan(30);
  expect(asked.filter((name) => !found.types.has(name))).toEqual([]);
  // What is documented is there, and what is there is documented.
  const page = await readFile(join(ROOT, "docs/metrics.md"), "utf8");
  const documented = [...page.matchAll(/^\| `(handled_\w+)/gm)].map(([, name]) => name);
  expect(new Set(documented)).toEqual(
    new Set([...found.types.keys()].filter((name) => name.startsWith("handled_"))),
  );
  expect(await served.stop("SIGTERM")).toBe(0);
});

test("a port that somebody has is told, and nothing else stops for it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  await inStrategy("daemon: { retries: 0 }", `daemon: { retries: 0, http: "127.0.0.1:${port}" }`);
  await using served = serve(cwd, { port: null });
  const [told] = await served.events("not listening", 1);
  expect(told?.message).toBe(
    `there are no metrics: listen on port ${port} of 127.0.0.1: another process has it`,
  );
  expect(told?.hint).toContain("daemon.http");
  await served.events("reloaded", 1);
  await new Promise((resolve) => other.close(resolve));
  // Whenever it looks how everything is, it tries again.
  served.signal("SIGHUP");
  await served.events("listening", 1);
  const healthz = `http://127.0.0.1:${port}/healthz`;
  expect((await fetch(healthz)).status).toBe(200);
  // An option has the last word, and a strategy that has changed is obeyed at once.
  await using elsewhere = serve(cwd);
  expect((await elsewhere.events("listening", 1))[0]?.message).not.toContain(`:${port}/`);
  await inStrategy(`http: "127.0.0.1:${port}"`, "http: false");
  await served.looked();
  await expect(fetch(healthz)).rejects.toThrow("fetch failed");
  expect(await served.stop("SIGTERM")).toBe(0);
});

async function inStrategy(old: string, now: string): Promise<void> {
  const path = join(cwd, "handled.yaml");
  const text = await readFile(path, "utf8");
  expect(text).toContain(old);
  await writeFile(path, text.replace(old, now));
}

/** Names of metrics in an expression: words of ours or of the process that no label matcher, grouping or string holds. */
function namesIn(expression: string): string[] {
  return expression.match(/\b(?:handled|process|nodejs)_\w+/g) ?? [];
}

async function namesInRules(): Promise<string[]> {
  const text = await readFile(join(ROOT, "deploy/prometheus-rules.yml"), "utf8");
  const { groups } = parse(text) as {
    groups: { rules: { alert: string; expr: string; labels: object; annotations: object }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  for (const { alert, labels, annotations } of rules) {
    expect({ alert, annotations }).toEqual({
      alert: expect.stringMatching(/^Handled[A-Z]/) as string,
      annotations: {
        summary: expect.any(String) as string,
        description: expect.stringContaining("`") as string,
      },
    });
    expect(labels).toMatchObject({ severity: expect.stringMatching(/^(critical|warning)$/) as string });
  }
  expect(rules.filter(({ expr }) => namesIn(expr).length === 0)).toEqual([]);
  return rules.flatMap(({ expr }) => namesIn(expr));
}

async function namesInDashboard(): Promise<string[]> {
  const text = await readFile(join(ROOT, "deploy/grafana-dashboard.json"), "utf8");
  const { panels, templating } = JSON.parse(text) as {
    panels: { targets: { expr: string }[] }[];
    templating: { list: { definition?: string }[] };
  };
  const expressions = [
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...templating.list.flatMap(({ definition }) => definition ?? []),
  ];
  return expressions.flatMap(namesIn);
}
