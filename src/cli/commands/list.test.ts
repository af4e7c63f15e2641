import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { ListJson } from "../../json/look.ts";

const SHOP = "20241201T020000Z-0001";
const CRM = "20241210T020000Z-0003";

describe("handled list", () => {
  test("with a repository named, a strategy beside it plays no part", async () => {
    await using there = await sampleRepository([{ id: SHOP }, { id: CRM, database: "crm" }]);
    await writeFile(
      join(there.path, "handled.yaml"),
      "version: 1\nrepositories: { local: { url: ./other } }\ndatabases: { data: { url: service=data } }\n",
    );
    const options = { cwd: there.path };
    const all = ListJson.parse(
      jsonOf(await runCli(["list", "--repository", there.place, "--json"], options)),
    );
    expect(all.databases).toMatchObject([
      { database: "crm", backups: [{ id: CRM }] },
      { database: "shop", backups: [{ id: SHOP }] },
    ]);
    const one = ListJson.parse(
      jsonOf(await runCli(["list", "shop", "--repository", there.place, "--json"], options)),
    );
    expect(one.databases).toMatchObject([{ database: "shop", backups: [{ id: SHOP }] }]);
  });

  test("an empty option is refused: a variable that is not set must not mean another place", async () => {
    for (const name of ["url", "repository", "config"]) {
      const result = await runCli(["list", `--${name}`, ""]);
      expect(result).toMatchObject({ code: 2, stdout: "" });
      expect(result.stderr).toContain(`\`--${name}\` is empty`);
    }
  });

  test("of several repositories one that is not there hides nothing of the others", async () => {
    await using there = await sampleRepository([{ id: SHOP }]);
    const places = ["--repository", there.place, "--repository", join(there.path, "away")];
    const result = await runCli(["list", ...places]);
    expect(result.stdout).toContain(SHOP);
    expect(result.stdout).toContain("is no repository");
  });

  test("with nowhere to look it says what to do", async () => {
    const result = await runCli(["list"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("hint: `handled init` writes one; or say where to look");
  });
});
