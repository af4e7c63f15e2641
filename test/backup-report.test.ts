import { lstat, mkdir, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../src/lib/clock.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let database: FreshDatabase;
beforeAll(async () => {
  const sql = "create table product as select g as id, md5(g::text) as name from generate_series(1, 1234) g";
  database = await freshDatabase({ sql });
});
afterAll(async () => await database[Symbol.asyncDispose]());

async function backUp(
  repository: string,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<CliResult> {
  return await runCli(
    ["backup", "data", "--url", database.url, "--repository", repository, ...args],
    options,
  );
}

/** Takes a backup that must succeed; its report. */
async function report(
  repository: string,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<Record<string, unknown>> {
  const result = await backUp(repository, ["--json", ...args], options);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return jsonOf(result);
}

/** Stands still at this moment. */
const stopped = (now: Date) => ({ ...systemClock, now: () => now });

describe("names", () => {
  test("archives carry the time of the clock on the wall, and `_2` when it is taken", async () => {
    await using folder = await temporaryFolder();
    const clock = stopped(new Date(2024, 11, 11, 14, 30, 22, 900));
    const names: string[] = [];
    for (let n = 0; n < 3; n++)
      names.push(basename(String((await report(folder.path, [], { clock }))["location"])));
    expect(names).toEqual([
      "handled_data_20241211_143022.sql.gz",
      "handled_data_20241211_143022_2.sql.gz",
      "handled_data_20241211_143022_3.sql.gz",
    ]);
    const listed = jsonOf(await runCli(["list", "data", "--repository", folder.path, "--json"]));
    expect(listed).toMatchObject({ databases: [{ damaged: [], foreign: [] }] });
    expect((listed["databases"] as { backups: unknown[] }[])[0]?.backups).toHaveLength(3);
  });

  test("an archive that somebody else put there is never overwritten, deleted or counted", async () => {
    await using folder = await temporaryFolder();
    const clock = stopped(new Date(2024, 11, 11, 14, 30, 22));
    const foreign = join(folder.path, "data", "handled_data_20241211_143022.sql.gz");
    await mkdir(dirname(foreign));
    await writeFile(foreign, "theirs");
    const made = await report(folder.path, ["--keep", "last=1"], { clock });
    expect(made).toMatchObject({ totalBackups: 1, location: foreign.replace(".sql.gz", "_2.sql.gz") });
    expect(await readFile(foreign, "utf8")).toBe("theirs");
    const listed = jsonOf(await runCli(["list", "--repository", folder.path, "--json"]));
    expect(listed).toMatchObject({ databases: [{ foreign: [{ name: basename(foreign) }] }] });
  });
});

describe("the link to the newest", () => {
  const latest = (folder: string, ending: string): string =>
    join(folder, "data", `handled_data_latest${ending}`);

  test("points to the newest archive of each ending, by a relative path", async () => {
    await using folder = await temporaryFolder();
    await report(folder.path);
    const second = await report(folder.path);
    const custom = await report(folder.path, ["--format", "custom"]);
    expect(second["latest"]).toBe(latest(folder.path, ".sql.gz"));
    expect(custom["latest"]).toBe(latest(folder.path, ".dump"));
    expect(await readlink(String(second["latest"]))).toBe(basename(String(second["location"])));
    expect(await readlink(String(custom["latest"]))).toBe(basename(String(custom["location"])));
  });

  test("goes away with the last archive of its ending", async () => {
    await using folder = await temporaryFolder();
    await report(folder.path);
    await report(folder.path, ["--compression", "zstd", "--keep", "last=1"]);
    const names = await readdir(join(folder.path, "data"));
    expect(names.filter((name) => name.includes("latest"))).toEqual(["handled_data_latest.sql.zst"]);
  });

  test("never points to an archive that is gone, even while retention deletes", async () => {
    await using folder = await temporaryFolder();
    await report(folder.path);
    const seen: boolean[] = [];
    const link = latest(folder.path, ".sql.gz");
    await report(folder.path, ["--keep", "last=1"], {
      observer: () => void seen.push(statSync(link, { throwIfNoEntry: false }) !== undefined),
    });
    expect(new Set(seen)).toEqual(new Set([true]));
  });

  test("does not replace a file of that name", async () => {
    await using folder = await temporaryFolder();
    const mine = latest(folder.path, ".sql.gz");
    await mkdir(dirname(mine));
    await writeFile(mine, "mine");
    const result = await backUp(folder.path);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("is a file of its own and is not replaced by a link");
    expect(await readFile(mine, "utf8")).toBe("mine");
    const listed = jsonOf(await runCli(["list", "--repository", folder.path, "--json"]));
    expect(listed).toMatchObject({ databases: [{ backups: [{ rows: 1234 }] }] });
  });
});

const CLEAR_LINE = "\r\u001b[2K";

describe("the report", () => {
  test("is the summary that the team knows", async () => {
    await using folder = await temporaryFolder();
    for (let n = 0; n < 2; n++) await report(folder.path);
    const { code, stdout } = await backUp(folder.path, ["--keep", "last=2"]);
    expect(code).toBe(0);
    const facts = Object.fromEntries(
      stdout
        .split("\n")
        .slice(1)
        .map((line) => line.trim().split(/\s{2,}/)),
    ) as Record<string, string>;
    const archives = (await readdir(join(folder.path, "data"))).filter((name) =>
      /_\d{6}(_\d)?\.sql\.gz$/.test(name),
    );
    const sizes = await Promise.all(
      archives.map(async (name) => (await stat(join(folder.path, "data", name))).size),
    );
    expect(stdout).toMatch(/^✓ data is backed up\n/);
    expect(facts).toMatchObject({
      Backup: expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{4} \(archive, plain, gzip\)$/) as string,
      Location: join(folder.path, "data", archives.toSorted().at(-1) ?? ""),
      Latest: join(folder.path, "data", "handled_data_latest.sql.gz"),
      Content: "1,234 rows in 1 table, each counted in the dump as read back",
      "Total backups": "2",
      "Total size": `${(sizes.reduce((sum, size) => sum + size, 0) / 1024).toFixed(1)} KiB`,
      "Old ones deleted": "1",
    });
    expect(archives).toHaveLength(2);
  });

  test("is one JSON object for machines, and nothing else on standard output", async () => {
    await using folder = await temporaryFolder();
    const result = await backUp(folder.path, ["--json"]);
    expect(result.stdout.trim().split("\n")).toHaveLength(1);
    expect(jsonOf(result)).toMatchObject({
      id: expect.stringMatching(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/) as string,
      database: "data",
      kind: "archive",
      rows: 1234,
      bytes: expect.any(Number) as number,
      storedBytes: (await stat(String(jsonOf(result)["location"]))).size,
      durationMs: expect.any(Number) as number,
      deleted: [],
    });
  });

  test("progress is one line that moves on a terminal, and gone at the end; --quiet shows none", async () => {
    await using folder = await temporaryFolder();
    await using large = await freshDatabase({
      sql: "create table big as select g, repeat(md5(g::text), 30) as pad from generate_series(1, 20000) g",
    });
    const args = ["backup", "--url", large.url, "--repository", folder.path];
    // Each look at it finds that it is time for the next line.
    let elapsed = 0;
    const clock = { ...systemClock, monotonic: () => (elapsed += 101) };
    const shown = await runCli(args, { tty: true, clock });
    const drawn = shown.stderr.split(CLEAR_LINE);
    // Cut to the width of the terminal.
    const full = /^dump: [\d.]+ MiB of about [\d.]+ MiB · table 1 of 1 · [\d.]+ [KM]iB\/s · .*…$/;
    expect(drawn.filter((line) => full.test(line))).not.toEqual([]);
    expect(drawn.at(-2)).toMatch(/^read back: [\d.]+ MiB · table 1 · [\d.]+ [KM]iB\/s/);
    expect(drawn.at(-1)).toBe("");
    const plain = await runCli(args);
    expect(plain.stderr).not.toContain(CLEAR_LINE);
    const quiet = await runCli([...args, "--quiet"], { tty: true });
    expect(quiet).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("--file", () => {
  test("makes an extra copy, for its owner alone", async () => {
    await using folder = await temporaryFolder();
    const made = await report(folder.path, ["--format", "custom", "--file", "out.dump"], {
      cwd: folder.path,
    });
    const copy = join(folder.path, "out.dump");
    expect(made["file"]).toBe(copy);
    expect((await readFile(copy)).equals(await readFile(String(made["location"])))).toBe(true);
    expect((await lstat(copy)).mode & 0o777).toBe(0o600);
  });

  test("refuses a file that is there, before anything is done, and replaces it when told to", async () => {
    await using folder = await temporaryFolder();
    const copy = join(folder.path, "out.sql.gz");
    await writeFile(copy, "old");
    const repository = join(folder.path, "repository");
    const refused = await backUp(repository, ["--file", copy]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`write ${copy}: the file is there already`);
    expect(refused.stderr).toContain("hint: choose another path, or add `--overwrite`");
    expect(await readdir(folder.path)).toEqual(["out.sql.gz"]);
    expect(await readFile(copy, "utf8")).toBe("old");
    const made = await report(repository, ["--file", copy, "--overwrite"]);
    expect((await readFile(copy)).equals(await readFile(String(made["location"])))).toBe(true);
  });

  test("refuses what cannot be written, before anything is done", async () => {
    await using folder = await temporaryFolder();
    const repository = join(folder.path, "repository");
    const missing = await backUp(repository, ["--file", join(folder.path, "no", "out.dump")]);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("is missing or not writable");
    const isFolder = await backUp(repository, ["--file", folder.path]);
    expect(isFolder.code).toBe(2);
    expect(isFolder.stderr).toContain("it is a folder");
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("refuses to take the place of a backup, or of what is no ordinary file, also with --overwrite", async () => {
    await using folder = await temporaryFolder();
    const made = await report(folder.path, []);
    const location = String(made["location"]);
    const before = await readFile(location);
    for (const path of [
      location,
      String(made["latest"]),
      join(folder.path, "repository.json"),
      "/dev/null",
    ]) {
      const refused = await backUp(folder.path, ["--file", path, "--overwrite"]);
      expect(refused.code, path).toBe(2);
    }
    expect((await readFile(location)).equals(before)).toBe(true);
    expect((await lstat("/dev/null")).isCharacterDevice()).toBe(true);
  });

  test("a file that appears meanwhile stays as it is, and so does the backup", async () => {
    await using folder = await temporaryFolder();
    const repository = join(folder.path, "repository");
    const copy = join(folder.path, "out.sql.gz");
    const result = await backUp(repository, ["--file", copy], {
      observer: (phase, operation) => {
        if (phase === "after" && operation.startsWith("storage publish")) writeFileSync(copy, "theirs");
      },
    });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("the file is there already");
    expect(await readFile(copy, "utf8")).toBe("theirs");
    const listed = jsonOf(await runCli(["list", "--repository", repository, "--json"]));
    expect(listed).toMatchObject({ databases: [{ backups: [{ rows: 1234 }] }] });
    expect((await readdir(folder.path)).toSorted()).toEqual(["out.sql.gz", "repository"]);
  });
});

describe("several databases of a strategy", () => {
  const strategy = (repository: string): string => `version: 1
repositories:
  local:
    url: ${repository}
databases:
  data:
    url: \${DATA_URL}
    repository: local
    backups: [{ name: nightly, kind: archive, format: plain, keep: { last: 1 } }]
  primary:
    url: \${PRIMARY_URL}
    repository: local
    backups: [{ name: nightly, kind: archive, format: custom }]
`;

  test("are backed up as it says; one that fails does not keep the others from it", async () => {
    await using folder = await temporaryFolder();
    const repository = join(folder.path, "repository");
    await writeFile(join(folder.path, "handled.yaml"), strategy(repository));
    const env = { DATA_URL: database.url, PRIMARY_URL: database.url };
    const options = { cwd: folder.path, env };
    const both = await runCli(["backup"], options);
    expect(both, both.stderr).toMatchObject({ code: 0 });
    expect(both.stdout).toMatch(/data is backed up[^]*primary is backed up/);
    const broken = await runCli(["backup"], {
      ...options,
      env: { ...env, DATA_URL: "postgresql://127.0.0.1:1/x" },
    });
    expect(broken.code).toBe(3);
    expect(broken.stderr).toContain("handled: back up data: connect to 127.0.0.1:1: connection refused");
    expect(broken.stdout).toContain("primary is backed up");
    const [listing] = jsonOf(await runCli(["list", "--json"], options))["databases"] as {
      backups: unknown[];
    }[];
    expect(listing?.backups).toHaveLength(1);
    const twoInOne = await runCli(["backup", "--file", "x.dump"], options);
    expect(twoInOne.code).toBe(2);
    expect(twoInOne.stderr).toContain("`--file` takes one database");
  });
});
