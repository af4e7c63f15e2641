import { utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChecklistJson } from "../src/json/checklist.ts";
import { systemClock } from "../src/lib/clock.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
});
afterAll(async () => await live[Symbol.asyncDispose]());

async function openSite() {
  const there = await temporaryFolder();
  const file = join(there.path, "handled.yaml");
  await writeFile(
    file,
    `version: 1
timezone: UTC
repositories: { local: { url: backups }, other: { url: copies } }
databases:
  data:
    url: ${live.url}
    repositories: [local, other]
    backups: [{ name: nightly, schedule: "0 2 * * *" }]
    verify: [{ name: proof, level: integrity, schedule: "0 4 * * 0" }]
duties:
  - { name: dashboard-review, every: weekly, what: Look at the provider's dashboard }
  - { name: fire-drill, every: quarterly, what: Restore with the phone tree }
`,
  );
  const at = new Date(Date.now() - 400 * 86_400_000);
  await utimes(file, at, at);
  const cli = async (args: string[], daysOn = 0): Promise<CliResult> => {
    const clock = { ...systemClock, now: () => new Date(Date.now() + daysOn * 86_400_000) };
    return await runCli(args, { cwd: there.path, clock });
  };
  return {
    path: there.path,
    cli,
    states: async (daysOn = 0) => {
      const { duties } = ChecklistJson.parse(jsonOf(await cli(["checklist", "--json"], daysOn)));
      return Object.fromEntries(duties.map(({ name, state }) => [name, state]));
    },
    [Symbol.asyncDispose]: async () => await there[Symbol.asyncDispose](),
  };
}

describe("handled checklist", () => {
  test("what never was done is overdue; the machine's duties close by what ran, people's by what they record", async () => {
    await using site = await openSite();
    expect(await site.states()).toEqual({
      "backup nightly": "overdue",
      "verify proof": "overdue",
      "dashboard-review": "overdue",
      "fire-drill": "overdue",
    });
    expect(await site.cli(["checklist"])).toMatchObject({ code: 4 });
    await site.cli(["backup", "--new-place"]);
    await site.cli(["verify", "data", "--entry", "proof"]);
    const done = await site.cli(["checklist", "done", "dashboard-review", "--note", "all green"]);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect(await site.states()).toEqual({
      "backup nightly": "done",
      "verify proof": "done",
      "dashboard-review": "done",
      "fire-drill": "overdue",
    });
    const { stdout } = await site.cli(["checklist"]);
    expect(stdout).toMatch(/^✓ done .* data .* backup nightly .* \d{8}T\d{6}Z-[0-9a-f]{4}/m);
    expect(stdout).toMatch(/^✓ done .* dashboard-review: Look at .* on .*: all green$/m);
    expect(stdout).toMatch(/^✗ overdue .* fire-drill: .* never /m);
    await site.cli(["checklist", "done", "fire-drill", "--by", "ada"]);
    expect((await site.cli(["checklist"])).stdout).toMatch(/^✓ done .* fire-drill: .* ada on \S+$/m);
    // A week on it is open again, two weeks on overdue.
    expect(await site.states(7)).toMatchObject({ "dashboard-review": "open", "backup nightly": "overdue" });
    expect(await site.states(14)).toMatchObject({ "dashboard-review": "overdue" });
  });

  test("a place that cannot be written is told; what the other has counts", async () => {
    await using site = await openSite();
    await site.cli(["backup", "--new-place"]);
    await writeFile(join(site.path, "copies", "repository.json"), "{");
    const done = await site.cli(["checklist", "done", "fire-drill", "--json"]);
    expect(done).toMatchObject({ code: 3 });
    expect(jsonOf(done)).toMatchObject({ duty: "fire-drill", unrecorded: [expect.any(String)] });
    expect(await site.states()).toMatchObject({ "fire-drill": "done" });
  });

  test("a name that is mistyped, a repository that is not there: nothing is recorded", async () => {
    await using site = await openSite();
    const wrong = await site.cli(["checklist", "done", "dashbord-review"]);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain("did you mean `dashboard-review`?");
    expect(await site.cli(["checklist", "done", "fire-drill"])).toMatchObject({ code: 10 });
  });
});
