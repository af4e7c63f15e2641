/**
 * How long `handled serve` takes to answer the dashboard over a repository of very many backups and recorded runs: the first time and again.
 *
 *   node bench/overview.ts [backups] [runs]
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openAccess } from "../src/access/access.ts";
import { hashPassword } from "../src/access/passwords.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { fillRepository } from "../test/support/many-backups.ts";
import { fillRuns } from "../test/support/many-runs.ts";

const MAIN = join(import.meta.dirname, "../bin/handled.js");
const ROUNDS = 9;
// A million of them are nine and a half years.
const EVERY_MINUTES = 5;
/** What is owed for the overview, in milliseconds. */
const OWED_MS = 200;

const PATHS = [
  "/api/overview",
  "/api/days?zone=Europe/Berlin",
  "/api/runs?last=50",
  "/api/runs?last=50&failed=true",
  "/api/databases/shop/backups?last=50",
  "/api/databases/shop/backups",
  "/api/databases/shop/series?days=3650",
];

interface Answer {
  readonly ms: number;
  readonly bytes: number;
}

async function measureOverview(backups: number, runs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "handled-bench-overview-"));
  const place = join(folder, "repository");
  const env = { PATH: process.env["PATH"], HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
  try {
    mkdirSync(place);
    const now = new Date();
    fillRepository(place, backups);
    const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth()) - runs * EVERY_MINUTES * 60_000;
    await fillRuns(place, runs, EVERY_MINUTES, first, "shop");
    const strategy = join(folder, "handled.yaml");
    writeFileSync(
      strategy,
      `version: 1
repositories: { local: { url: ${JSON.stringify(place)} } }
databases:
  shop: { url: service=shop, repository: local, backups: [{ name: nightly, kind: snapshot }] }
`,
    );
    console.log(`${backups} backups, ${runs} runs; filled in ${since(now.getTime())}`);
    const authorization = await tokenFor(strategy, env);
    const started = Date.now();
    const daemon = spawn(process.execPath, [MAIN, "serve", "--json", "--port", "0"], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const url = await listening(daemon.stdout);
      console.log(`listens after ${since(started)}`);
      const ask = async (path: string): Promise<Answer> => {
        const asked = performance.now();
        const response = await fetch(`${url}${path}`, { headers: { authorization } });
        const body = await response.text();
        if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`);
        return { ms: performance.now() - asked, bytes: body.length };
      };
      for (const path of PATHS) {
        const { ms, bytes } = await ask(path);
        const again: number[] = [];
        for (let round = 0; round < ROUNDS; round++) again.push((await ask(path)).ms);
        again.sort((a, b) => a - b);
        const median = again[Math.floor(ROUNDS / 2)] ?? Number.NaN;
        const owed = path === "/api/overview" && median > OWED_MS ? `, more than ${OWED_MS} ms` : "";
        console.log(
          `${path}: first ${ms.toFixed(0)} ms, then ${median.toFixed(0)} ms (${again.at(-1)?.toFixed(0)} ms at most), ${bytes} bytes${owed}`,
        );
      }
    } finally {
      daemon.kill("SIGTERM");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const since = (ms: number): string => `${((Date.now() - ms) / 1000).toFixed(1)} s`;

async function tokenFor(
  strategy: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  using access = await openAccess(makeRuntime({ env }), strategy);
  const password = await hashPassword("correct horse battery");
  const user = access.users.add({ name: "bench", role: "viewer", password });
  return `Bearer ${access.tokens.make(user, { label: "bench", role: "viewer", dangerous: false, days: 1 }).secret}`;
}

/** Where it listens. */
async function listening(events: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: events })) {
    const { event, message } = JSON.parse(line) as { event: string; message: string };
    if (event === "listening") {
      events.resume();
      return /http:\S+(?=\/metrics)/.exec(message)?.[0] ?? "";
    }
  }
  throw new Error("it ended before it listened");
}

if (import.meta.main)
  await measureOverview(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 1_000_000));
