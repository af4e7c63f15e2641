import { chmod, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { httpReceiver } from "../../test/support/http-receiver.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { takeSample } from "../../test/support/sample-backup.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { loadStrategy } from "../config/load.ts";
import { acquireLease } from "../repository/lease.ts";
import { openOrCreateRepository } from "../repository/repository.ts";
import { openStorage } from "../storage/open.ts";
import type { Cli } from "./cli.ts";
import { healthOf } from "./health-of.ts";
import { notifyOfHealth } from "./notify-of-health.ts";
import { RunbookKeeper } from "./runbook-keeper.ts";
import { strategyTarget } from "./targets.ts";

const MINUTE = 60_000;

/** A strategy that keeps two runbooks, a repository, and the daemon's looks at them by a clock that stands still. */
async function openSite(channel?: string) {
  const there = await temporaryFolder();
  const clock = manualClock(new Date("2024-12-11T14:30:00Z"));
  const runtime = testRuntime({ clock, env: { XDG_STATE_HOME: join(there.path, "state") } });
  const keeper = new RunbookKeeper();
  const file = (name: string): string => join(there.path, name);
  const path = file("handled.yaml");
  const write = async (more = ""): Promise<void> =>
    await writeFile(
      path,
      `version: 1
timezone: UTC
repositories: { local: { url: backups } }
runbook: { file: [runbook.md, runbook.html] }
${channel === undefined ? "" : `notify: { digest: "0 8 * * 1", channels: { team: { kind: slack, url: "${channel}" } } }`}
databases:
  data: { url: "postgresql://127.0.0.1:1/data", backups: [{ name: nightly, schedule: "0 2 * * *" }] }
${more}`,
    );
  await write();
  const repository = await openOrCreateRepository(runtime, openStorage(runtime, file("backups")), noAbort());
  let looks = 0;
  const observed = {
    ...runtime,
    observer: (phase: string) => {
      if (phase === "before") looks += 1;
    },
  };
  const cli = { runtime: observed, signal: noAbort(), cwd: there.path, config: path } as Partial<Cli> as Cli;
  return {
    clock,
    file,
    write,
    read: async (name: string) => await readFile(file(name), "utf8"),
    backup: async (id: string) => {
      // It is renewed by a clock that goes on.
      await using lease = await acquireLease(testRuntime(), repository, "data", "backup", noAbort());
      await takeSample(repository, lease, { database: "data", id }, noAbort());
    },
    /** What the daemon does at a look. @returns what it found, and how often the repository was asked for the runbook */
    look: async () => {
      const strategy = await loadStrategy(runtime, path, noAbort());
      const targets = strategy.databases.map((entry) => strategyTarget(cli, strategy, entry, {}));
      const health = await healthOf(cli, targets, { isInstalled: () => true, connect: false });
      looks = 0;
      const kept = await keeper.keep(cli, strategy, { targets, health, printedAt: clock.now() });
      const asked = looks;
      if (channel !== undefined) await notifyOfHealth(cli, targets, health, kept.substance);
      return { ...kept, ids: kept.findings.map(({ id, subject }) => [id, subject]), asked };
    },
    [Symbol.asyncDispose]: async () => await there[Symbol.asyncDispose](),
  };
}

test("it is made anew when something was found anew, and looked at again after ten minutes; as it is, it stays", async () => {
  await using site = await openSite();
  expect((await site.look()).ids).toEqual([]);
  const first = await site.read("runbook.md");
  expect(first).toMatch(/^<!-- handled runbook \w{32} \w{32} -->\n# Runbook\n/);
  expect(await site.read("runbook.html")).toContain("<title>");
  await site.clock.advance(9 * MINUTE);
  expect((await site.look()).asked).toBe(0);
  await site.clock.advance(MINUTE);
  expect((await site.look()).asked).toBeGreaterThan(0);
  // Minutes alone are nothing to write it for.
  expect(await site.read("runbook.md")).toBe(first);
  await site.backup("20241211T144000Z-0001");
  expect((await site.look()).asked).toBeGreaterThan(0);
  expect(await site.read("runbook.md")).toContain("20241211T144000Z-0001");
  expect(await site.read("runbook.html")).toContain("20241211T144000Z-0001");
});

test("the digest tells what of substance changed, once; a new backup is not of substance", async () => {
  await using team = await httpReceiver();
  await using site = await openSite(team.url);
  const digests = (): string[] =>
    team.requests.map(({ body }) => body).filter((body) => body.includes("digest") || body.includes("Grace"));
  await site.look();
  await site.backup("20241211T144000Z-0001");
  await site.look();
  // Monday comes.
  await site.clock.advance(5 * 24 * 60 * MINUTE);
  await site.look();
  const before = team.requests.length;
  expect(team.requests.map(({ body }) => body).join("\n")).not.toContain("runbook has changed");
  await site.write("contacts: [{ name: Grace, role: on call, phone: '+49 30 99' }]\n");
  await site.look();
  expect(
    team.requests
      .slice(before)
      .map(({ body }) => body)
      .join("\n"),
  ).not.toContain("Grace");
  await site.clock.advance(7 * 24 * 60 * MINUTE);
  await site.look();
  expect(digests().filter((body) => body.includes("Grace"))).toHaveLength(1);
  await site.clock.advance(7 * 24 * 60 * MINUTE);
  await site.look();
  expect(digests().filter((body) => body.includes("Grace"))).toHaveLength(1);
});

test("a file of somebody else is never written over, and told at each look, until it is away", async () => {
  await using site = await openSite();
  await writeFile(site.file("runbook.md"), "# Ours\n");
  for (let look = 0; look < 3; look += 1) {
    expect((await site.look()).ids).toEqual([["runbook-not-written", site.file("runbook.md")]]);
    expect(await site.read("runbook.md")).toBe("# Ours\n");
    await site.clock.advance(11 * MINUTE);
  }
  expect(await site.read("runbook.html")).toContain("<title>");
  await rename(site.file("runbook.md"), site.file("ours.md"));
  expect((await site.look()).ids).toEqual([]);
  expect(await site.read("runbook.md")).toContain("# Runbook");
});

test("what somebody wrote into it is kept beside it and told, for as long as it lies there", async () => {
  await using site = await openSite();
  await site.look();
  const written = await site.read("runbook.md");
  await writeFile(site.file("runbook.md"), `${written}Ask Ada.\n`);
  await chmod(site.file("runbook.md"), 0o640);
  await site.clock.advance(10 * MINUTE);
  const { findings } = await site.look();
  const [copy = ""] = (await readdir(join(site.file("x"), ".."))).filter((name) => name.includes(".edited-"));
  expect(findings.map(({ id, subject }) => [id, subject])).toEqual([["runbook-edited", site.file(copy)]]);
  expect(await site.read(copy)).toBe(`${written}Ask Ada.\n`);
  expect(await site.read("runbook.md")).not.toContain("Ask Ada.");
  await rename(site.file(copy), site.file("notes.txt"));
  await site.clock.advance(10 * MINUTE);
  expect((await site.look()).findings).toEqual([]);
});
