import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { freshDatabase } from "../../../test/support/postgres.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { markSql } from "../../postgres/marker.ts";
import { PruneJson } from "../../json/backup.ts";

const clock = manualClock();
const IDS = ["20241101T020000Z-0001", "20241205T020000Z-0002", "20241211T020000Z-0003"];
const samples = IDS.map((id) => ({ id }));

async function idsIn(place: string): Promise<string[]> {
  const { databases } = jsonOf(await runCli(["list", "--repository", place, "--json"])) as {
    databases: { backups: { id: string }[] }[];
  };
  return databases.flatMap(({ backups }) => backups.map(({ id }) => id)).toSorted();
}

describe("handled prune", () => {
  test("a dry run says why each backup stays or goes, and changes nothing", async () => {
    await using there = await sampleRepository(samples);
    const args = ["prune", "shop", "--repository", there.place, "--keep", "days=14", "--dry-run"];
    const result = await runCli(args, { clock });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/0003 .* keep +newest, younger than 14 days$/m);
    expect(result.stdout).toMatch(/0002 .* keep +younger than 14 days$/m);
    expect(result.stdout).toMatch(/0001 .* delete +older than 14 days$/m);
    expect(result.stdout).toContain("1 backup would be deleted (archives: 32 B), 2 backups kept");
    expect(await idsIn(there.place)).toEqual(IDS);
    const nothing = await runCli([...args.slice(0, 4), "--keep", "last=9", "--dry-run"], { clock });
    expect(nothing.stdout).toContain("\n0 backups would be deleted, 3 backups kept");
  });

  test("deletes what the rules let go, and never the newest", async () => {
    await using there = await sampleRepository(samples);
    const args = ["prune", "--repository", there.place, "--keep", "last=1", "--json"];
    const result = await runCli(args, { clock });
    expect(PruneJson.parse(jsonOf(result))).toMatchObject({
      dryRun: false,
      databases: [{ database: "shop", deleted: 2, freedBytes: 64, replaced: null }],
    });
    expect(await idsIn(there.place)).toEqual(IDS.slice(2));
  });

  test("a backup of some schemas takes no other's place that has more; a larger one takes its place", async () => {
    const scopes = [null, ["a"], ["a"], ["b", "a"], ["b"], null, ["a"], ["b"]];
    const scoped = scopes.map((schemas, at) => ({ id: `202412${10 + at}T020000Z-000${at}`, schemas }));
    await using there = await sampleRepository(scoped);
    const later = manualClock(new Date("2025-01-01T00:00:00Z"));
    const args = ["prune", "--repository", there.place, "--keep", "last=1"];
    const result = await runCli([...args, "--dry-run"], { clock: later });
    const kept = (at: number, verdict: string): void => {
      expect(result.stdout).toMatch(new RegExp(`^${scoped[at]?.id} .* ${verdict} `, "m"));
    };
    // The newest of the whole database, and of each schema what is newer than that.
    for (const at of [5, 6, 7]) kept(at, "keep");
    for (const at of [0, 1, 2, 3, 4]) kept(at, "delete");
    expect(result.stdout).toMatch(/0003 .* archive plain, only b, a /);
    expect(await idsIn(there.place)).toHaveLength(scoped.length);
    await runCli(args, { clock: later });
    expect(await idsIn(there.place)).toEqual(scoped.slice(5).map(({ id }) => id));
    const listed = await runCli(["list", "--repository", there.place], { clock: later });
    expect(listed.stdout).toMatch(/0005 .* archive plain +3 /);
    expect(listed.stdout).toMatch(/0006 .* archive plain, only a +3 /);
  });

  test("without a rule everything stays, and that is said", async () => {
    await using there = await sampleRepository(samples);
    const result = await runCli(["prune", "shop", "--repository", there.place], { clock });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("warning: prune shop: there is no retention rule, so every backup stays");
    expect(await idsIn(there.place)).toEqual(IDS);
  });

  test("a name that is not there makes nothing, and is told", async () => {
    await using there = await sampleRepository(samples);
    const result = await runCli(["prune", "shopp", "--keep", "last=1", "--repository", there.place], {
      clock,
    });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain(
      `warning: ${there.place} has nothing of shopp: it has shop; did you mean shop?\n`,
    );
    expect(await readdir(there.place)).toEqual(["repository.json", "shop"]);
    const listed = await runCli(["list", "shopp", "--repository", there.place], { clock });
    expect(listed).toMatchObject({
      code: 0,
      stderr: `${there.place} has nothing of shopp: it has shop; did you mean shop?\n`,
    });
  });

  test("a strategy's rules apply; a database that fails does not keep the others from being pruned", async () => {
    await using there = await sampleRepository(samples);
    await writeFile(
      join(there.path, "handled.yaml"),
      `version: 1
repositories:
  gone: { url: ./not-there }
  local: { url: ./repository }
databases:
  lost: { url: "\${LOST_URL}", repository: gone, backups: [{ name: nightly, keep: { days: 1 } }] }
  shop: { url: "\${SHOP_URL}", repository: local, backups: [{ name: nightly, keep: { days: 7, min: 2 } }] }
`,
    );
    const result = await runCli(["prune"], { clock, cwd: there.path });
    expect(result.code).toBe(3);
    expect(result.stderr).toContain("handled: prune lost: open repository");
    // Without its variable the server is not asked; the backups are pruned all the same.
    expect(result.stderr).toContain("warning: databases that swaps of shop replaced were not looked for: ");
    expect(await idsIn(there.place)).toEqual(IDS.slice(1));
    const alone = await runCli(["prune", "lost"], { clock, cwd: there.path });
    expect(alone).toMatchObject({ code: 10, stdout: "" });
  });

  test("drops the databases that a swap replaced when their lifetime is over, and only those", async () => {
    await using live = await freshDatabase();
    await using expired = await freshDatabase({ name: `${live.name}_before_1` });
    await using young = await freshDatabase({ name: `${live.name}_before_2` });
    await using there = await sampleRepository([{ id: IDS[2] ?? "", database: live.name }]);
    const mark = async (name: string, dropAfter: string): Promise<void> => {
      const marker = { at: "2024-12-01T00:00:00Z", by: "20241130T000000Z-0000", xid: "1", comment: null };
      const of = { program: "handled", purpose: "replaced", name: live.name, undone: false } as const;
      await live.query(markSql(name, { ...marker, ...of, dropAfter }));
    };
    await mark(expired.name, "2024-12-08T00:00:00Z");
    await mark(young.name, "2024-12-18T00:00:00Z");
    const names = async (): Promise<string[]> => {
      const rows = await live.query<{ datname: string }>(
        "select datname from pg_database where datname like $1 order by 1",
        [`${live.name}\\_before%`],
      );
      return rows.map(({ datname }) => datname);
    };
    const args = ["prune", "--url", live.url, "--repository", there.place, "--keep", "days=14"];
    const dry = await runCli([...args, "--dry-run"], { clock });
    expect(dry.stdout).toMatch(new RegExp(`${expired.name} \\(.*\\) would be dropped: its lifetime is over`));
    expect(await names()).toEqual([expired.name, young.name]);
    const result = await runCli([...args, "--json"], { clock });
    expect(PruneJson.parse(jsonOf(result)).databases[0]?.replaced).toMatchObject([
      { database: expired.name, of: live.name, dropped: true },
      { database: young.name, dropped: false, dropAfter: "2024-12-18T00:00:00.000Z" },
    ]);
    expect(await names()).toEqual([young.name]);
  });

  test("a server that does not answer is a warning", async () => {
    await using there = await sampleRepository(samples);
    const url = "postgresql://ada@127.0.0.1:1/shop";
    const result = await runCli(["prune", "--url", url, "--repository", there.place, "--keep", "last=2"], {
      clock,
    });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain(
      "warning: databases that swaps of shop replaced were not looked for: connect to",
    );
    expect(await idsIn(there.place)).toEqual(IDS.slice(1));
  });

  test("a rule that is none is refused with an example", async () => {
    const result = await runCli(["prune", "shop", "--repository", "/x", "--keep", "day=3"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("such as days=14");
  });
});
