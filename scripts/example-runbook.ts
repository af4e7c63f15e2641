/**
 * Runs the demo, which strikes all disasters and recovers from each, and keeps the runbook that it writes as
 * docs/example-runbook.md. With `--check` the file stays: it must be what the demo writes now.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const EXAMPLE = join(ROOT, "docs/example-runbook.md");

// What is another one each time, and what stands in its place. Budgets and objectives have no seconds, so durations that do are measured.
const CHANGING: readonly (readonly [RegExp, string])[] = [
  [/\S*\/handled-demo-[A-Za-z0-9]{6}/g, "/srv/platform"],
  [/127\.0\.0\.1:\d+/g, "db.example:5432"],
  [/-h 127\.0\.0\.1 -p \d+/g, "-h db.example -p 5432"],
  [/\d{8}T\d{6}Z-[0-9a-f]{4}/g, "20241211T020000Z-5eed"],
  [/\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}/g, "20241211T060000.000Z-5eed5eed"],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, "2024-12-11 03:00:00"],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z/g, "2024-12-11T03:00:00Z"],
  [
    /^(\| lost if it were gone now \|) .*( \(RPO .*)$/gm,
    "$1 the last 5.0 s; if only what is proven counts: the last 5.0 s$2",
  ],
  [/Of the data .+ would/g, "Of the data 5.0 s would"],
  [/\b(\d+ (h|min) )?\d+(\.\d+)? (ms|s)\b/g, "5.0 s"],
  [/\b\d+(\.\d+)? (B|KiB|MiB|GiB)\b/g, "7.1 MiB"],
];

async function runDemo(runbook: string): Promise<void> {
  const args = [join(ROOT, "bin/handled.js"), "demo", "--no-serve", "--runbook", runbook];
  const demo = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(demo, "close")) as [number | null];
  if (code !== 0) throw new Error(`the demo ended with ${code ?? "a signal"}`);
}

/** The same page, whenever and wherever the demo was run. */
function settled(page: string): string {
  const there = page.replace(` on ${hostname()} from `, " on backup.example from ");
  return CHANGING.reduce((text, [pattern, instead]) => text.replace(pattern, instead), there);
}

const folder = await mkdtemp(join(tmpdir(), "handled-runbook-"));
try {
  const written = join(folder, "runbook.md");
  await runDemo(written);
  const page = settled(await readFile(written, "utf8"));
  if (!process.argv.includes("--check")) await writeFile(EXAMPLE, page);
  else if ((await readFile(EXAMPLE, "utf8")) !== page) {
    await writeFile(join(tmpdir(), "example-runbook.md"), page);
    console.error(
      `docs/example-runbook.md is not what the demo writes (${join(tmpdir(), "example-runbook.md")}): \`npm run example-runbook\``,
    );
    process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
