import { expect, test } from "vitest";
import { spawnCli } from "./support/cli.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";

// What backup and restore may take however large anything is.
const MOST_MEMORY_KB = 350 * 1024;
// More than that.
const SIZE = 400_000_000;

/** Runs the real program and returns its peak of memory, in KiB. */
async function peakMemory(args: readonly string[]): Promise<number> {
  const atExit =
    "process.on('exit', () => process.stderr.write(`peak ${process.resourceUsage().maxRSS}\\n`))";
  const { result } = spawnCli(args, { node: ["--import", `data:text/javascript,${atExit}`] });
  const { code, stderr } = await result;
  expect(code, stderr).toBe(0);
  const [, peak] = /^peak (\d+)$/m.exec(stderr) ?? [];
  expect(peak, stderr).toBeDefined();
  return Number(peak);
}

test("a single value of 400 MB is copied and comes back, in no more memory than any other", async () => {
  await using repository = await temporaryFolder();
  // Blocks longer than what is compressed at once, so that hardly anything of it is found to repeat.
  await using source = await freshDatabase({
    sql: `create table large (id int, value text); alter table large alter value set storage external;
          insert into large select 1, pg_catalog.left(repeat(string_agg(md5(g::text), e'\\\\\\n'), ${SIZE} / 3000000 + 1), ${SIZE})
            from generate_series(1, 100000) g;
          insert into large values (2, 'short')`,
  });
  const place = ["--url", source.url, "--repository", repository.path];
  const ours = uniqueName("large");
  try {
    const backup = await peakMemory(["backup", "large", "--kind", "snapshot", "--jobs", "2", ...place]);
    const restore = await peakMemory(["restore", "large", ...place, "--new-database", ours]);
    expect(Math.max(backup, restore)).toBeLessThan(MOST_MEMORY_KB);
    const read = "select id, length(value) as length, md5(value) as md5 from large order by id";
    const rows = await runSql(clusterUrl(ours), read);
    expect(rows).toEqual(await runSql(source.url, read));
    expect(rows).toMatchObject([{ length: SIZE }, { length: 5 }]);
  } finally {
    await runSql(clusterUrl(), `drop database if exists ${ours} with (force)`);
  }
}, 240_000);
