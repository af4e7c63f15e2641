/**
 * How long it takes to bring back a thousand rows that were deleted from a large table, beside restoring the whole table from
 * the same snapshot into a new database.
 *
 *   node bench/missing-rows.ts URL [rows]
 *
 * URL is of an empty database on a server where databases may be created, with `psql` on the PATH.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../bin/handled.js");
const ROUNDS = 3;
const DELETED = 1000;

function measure(url: string, rows: number): void {
  const folder = mkdtempSync(join(tmpdir(), "handled-bench-missing-"));
  const place = ["--url", url, "--repository", join(folder, "repository")];
  const name = new URL(url).pathname.slice(1);
  const env = { PATH: process.env["PATH"], HOME: folder };
  const seconds = (program: string, args: readonly string[]): number => {
    const started = performance.now();
    const result = spawnSync(program, args, { encoding: "utf8", env, cwd: folder });
    if (result.status !== 0) throw new Error(`${program} ${args[0] ?? ""} failed: ${result.stderr}`);
    return (performance.now() - started) / 1000;
  };
  const psql = (sql: string): number => seconds("psql", ["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, url]);
  const handled = (...args: string[]): number => seconds(process.execPath, [MAIN, ...args, ...place]);
  const show = (what: string, times: readonly number[]): number => {
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
    console.log(`${what}: ${median.toFixed(2)} s (${times.map((time) => time.toFixed(2)).join(", ")})`);
    return median;
  };
  const rounds = (once: (round: number) => number): number[] =>
    Array.from({ length: ROUNDS }, (_, round) => once(round));
  try {
    psql(
      `create table bench (id int primary key, at timestamptz default now(), note text);
       insert into bench (id, note) select g, md5(g::text) || md5((g * 7)::text) from generate_series(1, ${rows}) g`,
    );
    handled("backup", name, "--kind", "snapshot");
    console.log(`${rows} rows, ${DELETED} deleted; load ${loadavg()[0]?.toFixed(2) ?? ""}`);
    const part = ["--table", "public.bench"];
    const filtered = show(
      "missing rows",
      rounds((round) => {
        // Each time elsewhere, for what came back is young: the ranges around it are read from now on.
        const from = 1 + Math.floor((rows / ROUNDS) * round);
        psql(`delete from bench where id between ${from} and ${from + DELETED - 1}`);
        return handled(
          "restore",
          name,
          "latest",
          ...part,
          "--missing-rows",
          "--yes",
          "--undo-file",
          `${round}.sql`,
        );
      }),
    );
    const copy = `${name}_bench_copy`;
    const whole = show(
      "the whole table",
      rounds(() => {
        const time = handled("restore", name, "latest", ...part, "--new-database", copy);
        psql(`drop database "${copy}"`);
        return time;
      }),
    );
    console.log(`ratio: ${(whole / filtered).toFixed(1)}; load ${loadavg()[0]?.toFixed(2) ?? ""}`);
  } finally {
    psql("drop table if exists bench");
    rmSync(folder, { recursive: true, force: true });
  }
}

const [url, rows = "1000000"] = process.argv.slice(2);
if (url === undefined) throw new Error("usage: node bench/missing-rows.ts URL [rows]");
measure(url, Number(rows));
