import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { ShowJson } from "../../json/look.ts";

const OLD = "20241201T020000Z-0001";
const NEW = "20241211T020000Z-0002";
const OTHER = "20241210T020000Z-0003";
const clock = manualClock();

const shelves = async () =>
  await sampleRepository([
    { id: OLD, schemas: ["public"] },
    { id: NEW, schemas: ["public"] },
    { id: OTHER, database: "crm", fileName: "crm.dump" },
  ]);

describe("handled show", () => {
  test("says what to write when only a database is named", async () => {
    await using there = await shelves();
    const result = await runCli(["show", "shop", "--repository", there.place], { clock });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("show shop: that is a database, not a backup");
    expect(result.stderr).toContain("`handled show shop latest`");
    const diffed = await runCli(["diff", "shop", "latest", "--repository", there.place], { clock });
    expect(diffed.stderr).toContain("`handled diff shop latest live`");
  });

  test("finds an id in any database, and tells everything about the backup", async () => {
    await using there = await sampleRepository([{ id: OLD }, { id: NEW, schemas: ["public"] }]);
    const result = await runCli(["show", NEW, "--repository", there.place], { clock, env: { TZ: "UTC" } });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    for (const text of [
      `${NEW} (archive, plain, gzip)`,
      "Database    shop",
      "12 h 30 min ago",
      "By          hand",
      "Server      PostgreSQL 15.18",
      "Schemas     public",
      "Content     3 rows in 2 tables",
      `Archive     ${there.place}/shop/handled_${NEW}.sql.gz`,
      "public.orders     3",
      "public.a view     -",
    ]) {
      expect(result.stdout).toContain(text);
    }
    // Nobody said which rules there are.
    expect(result.stdout).not.toContain("Retention");
  });

  test("JSON is as documented", async () => {
    await using there = await shelves();
    const result = await runCli(["show", "crm", "latest", "--repository", there.place, "--json"], { clock });
    expect(ShowJson.parse(jsonOf(result))).toMatchObject({
      id: OTHER,
      retention: null,
      tableDetails: [{ name: "orders" }, { name: "a view" }],
    });
  });

  test("finds an archive by its name, and the latest of a database", async () => {
    await using there = await shelves();
    const place = ["--repository", there.place, "--json"];
    expect(jsonOf(await runCli(["show", `handled_${OLD}.sql.gz`, ...place]))).toMatchObject({ id: OLD });
    expect(jsonOf(await runCli(["show", "shop", "latest", ...place]))).toMatchObject({ id: NEW });
    expect(jsonOf(await runCli(["show", "crm", "crm.dump", ...place]))).toMatchObject({ id: OTHER });
  });

  test("asks for the database where several have what is meant", async () => {
    await using there = await shelves();
    const result = await runCli(["show", "latest", "--repository", there.place]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toBe(
      "handled: show latest: crm, shop each have one\n" +
        "hint: name the database before it: `handled show crm latest`\n",
    );
  });

  test("names the nearest backup", async () => {
    await using there = await shelves();
    const result = await runCli(["show", NEW.replace("0002", "0022"), "--repository", there.place]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("there is no such backup\nhint: did you mean 20241211T020000Z-0002?");
  });

  test("a damaged backup is called damaged, a foreign archive foreign", async () => {
    await using there = await shelves();
    await rm(join(there.place, `shop/handled_${OLD}.sql.gz`));
    await writeFile(join(there.place, "shop/by_hand.sql.gz"), "x");
    const damaged = await runCli(["show", OLD, "--repository", there.place]);
    expect(damaged.code).toBe(13);
    expect(damaged.stderr).toContain(`show ${OLD}: its archive shop/handled_${OLD}.sql.gz is missing`);
    const foreign = await runCli(["show", "by_hand.sql.gz", "--repository", there.place]);
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toContain("it is foreign, nothing is recorded about it");
    expect(foreign.stderr).toContain("`handled restore shop by_hand.sql.gz` restores it");
  });

  test("says what the strategy's retention says, and passes over a repository that is not there", async () => {
    await using there = await shelves();
    await writeFile(
      join(there.path, "handled.yaml"),
      `version: 1
timezone: UTC
repositories:
  gone: { url: ./not-there }
  local: { url: ./repository }
databases:
  shop:
    url: service=shop
    repository: local
    backups: [{ name: nightly, keep: { days: 7 } }]
`,
    );
    const options = { clock, cwd: there.path };
    expect((await runCli(["show", NEW], options)).stdout).toContain(
      "Retention   stays: newest, younger than 7 days",
    );
    expect((await runCli(["show", OLD], options)).stdout).toContain(
      "Retention   goes with the next prune: older than 7 days",
    );
    expect(jsonOf(await runCli(["show", OTHER, "--json"], options))).toMatchObject({ retention: null });
    const missing = await runCli(["show", "20240101T000000Z-9999"], options);
    expect(missing.code).toBe(10);
    expect(missing.stderr).toContain("not-there: there is none");
  });

  test("without a strategy and a repository it says what to do", async () => {
    const result = await runCli(["show", "latest"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("hint: `handled init` writes one");
    expect((await runCli(["show"])).code).toBe(2);
    expect((await runCli(["show", "a", "b", "c", "--repository", "/x"])).stderr).toContain(
      "more than a database",
    );
  });
});
