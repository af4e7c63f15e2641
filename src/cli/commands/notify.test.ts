import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonOf, runCli, spawnCli } from "../../../test/support/cli.ts";
import { httpReceiver } from "../../../test/support/http-receiver.ts";
import { mailServer } from "../../../test/support/mail-server.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { NotifyTestJson } from "../../json/notify.ts";

const STALE = { id: "20241209T020000Z-0002", database: "stale" };
const FRESH = { id: "20241211T020000Z-0001", database: "fresh" };

async function office() {
  const there = await sampleRepository([STALE, FRESH]);
  const mail = await mailServer();
  const web = await httpReceiver(({ path }) => (path.startsWith("/gone") ? 410 : 200));
  const strategy = (notify: string): string => `version: 1
timezone: UTC
repositories:
  local: { url: ./repository }
databases:
  stale: { url: service=stale, criticality: high, backups: [{ name: nightly, schedule: "0 2 * * *" }] }
  fresh: { url: service=fresh, criticality: high }
${notify}`;
  const channels = `notify:
  channels:
    mail: { kind: email, url: "smtp://127.0.0.1:\${MAIL_PORT}", from: handled@example.com, to: [ops@example.com] }
    team: { kind: slack, url: "\${TEAM_URL}" }
    alive: { kind: ping, url: "\${TEAM_URL}/ping", database: stale, backup: nightly }
  routes: [{ severity: critical, channels: [mail, team] }]
`;
  await writeFile(join(there.path, "handled.yaml"), strategy(channels));
  const clock = manualClock();
  return {
    ...there,
    mail,
    web,
    clock,
    rewrite: async (notify: string) => await writeFile(join(there.path, "handled.yaml"), strategy(notify)),
    options: {
      clock,
      cwd: there.path,
      env: {
        HOME: there.path,
        XDG_STATE_HOME: join(there.path, "state"),
        MAIL_PORT: String(mail.port),
        TEAM_URL: `${web.url}/services/T0/B0/0123456789`,
      },
    },
    [Symbol.asyncDispose]: async () => {
      await mail[Symbol.asyncDispose]();
      await web[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    },
  };
}

test("a test goes through each channel, or those that are named", async () => {
  await using there = await office();
  const all = await runCli(["notify", "test"], there.options);
  expect(all, all.stderr).toMatchObject({ code: 0 });
  expect(all.stdout.split("\n").map((line) => line.split(":")[0])).toEqual([
    "✓ mail (email)",
    "✓ team (slack)",
    "✓ alive (ping)",
    "",
  ]);
  expect(there.mail.arrived.map(({ mail }) => mail.subject)).toEqual(["handled: a test of mail"]);
  // A test of a ping is no success of a backup.
  expect(there.web.requests.map(({ path }) => path).toSorted()).toEqual([
    "/services/T0/B0/0123456789",
    "/services/T0/B0/0123456789/ping/log",
  ]);
  const one = await runCli(["notify", "test", "mail", "--json"], there.options);
  expect(NotifyTestJson.parse(jsonOf(one))).toMatchObject({
    channels: [{ channel: "mail", delivered: true }],
  });
  const wrong = await runCli(["notify", "test", "maill"], there.options);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean `mail`?") });
});

test("what does not arrive is told with its reason, and the address is not", async () => {
  await using there = await office();
  const env = { ...there.options.env, TEAM_URL: `${there.web.url}/gone/0123456789abcdef` };
  const some = await runCli(["notify", "test"], { ...there.options, env });
  expect(some.code).toBe(3);
  expect(some.stdout).toContain("✗ team (slack): did not arrive: send to team: 127.0.0.1:");
  expect(some.stdout).toContain("answered 410");
  expect(some.stdout).not.toContain("0123456789abcdef");
  const one = await runCli(["notify", "test", "team", "--json"], { ...there.options, env });
  expect(one.code).toBe(1);
  expect(NotifyTestJson.parse(jsonOf(one))).toMatchObject({
    channels: [{ delivered: false, attempts: 1, error: { code: "channel_refused" } }],
  });
});

test("without `notify` there is nothing to try, nor anybody to tell", async () => {
  await using there = await office();
  await there.rewrite("");
  const tried = await runCli(["notify", "test"], there.options);
  expect(tried).toMatchObject({ code: 2, stderr: expect.stringContaining("has no `notify`") });
  const told = await runCli(["status", "--notify"], there.options);
  expect(told).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("no strategy with `notify` says whom"),
  });
});

test("a status tells the channels what they were not told before, in one mail a database", async () => {
  await using there = await office();
  const first = await runCli(["status", "--notify"], there.options);
  expect(first, first.stderr).toMatchObject({ code: 4, stderr: expect.stringContaining("2 messages sent") });
  const [arrived] = there.mail.arrived;
  expect(arrived?.mail.subject).toBe("stale: the newest backup is 2 d 12 h old, the RPO is 1 d");
  expect(arrived?.mail.text).toContain("what to do: `handled backup stale` takes one now");
  await there.clock.advance(3_600_000);
  const second = await runCli(["status", "--notify"], there.options);
  expect(second.stderr).not.toContain("sent");
  expect(there.mail.arrived).toHaveLength(1);
  await there.clock.advance(24 * 3_600_000);
  await runCli(["status", "--notify"], there.options);
  expect(there.mail.arrived.map(({ mail }) => mail.subject)).toEqual([
    "stale: the newest backup is 2 d 12 h old, the RPO is 1 d",
    "stale: still: the newest backup is 3 d 13 h old, the RPO is 1 d",
    "fresh: the newest backup is 1 d 13 h old, the RPO is 1 d",
  ]);
});

test("run quietly it says nothing while nothing is wrong, and all of it otherwise", async () => {
  await using there = await office();
  const quietly = async (database: string, env = there.options.env) =>
    await runCli(["--quiet", "status", "--notify", database], { ...there.options, env });
  expect(await quietly("fresh")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect((await runCli(["--quiet", "status", "fresh"], there.options)).stdout).toContain("fresh");
  const json = await runCli(["--quiet", "--json", "status", "--notify", "fresh"], there.options);
  expect(jsonOf(json)).toMatchObject({ healthy: true });
  const wrong = await quietly("stale");
  expect(wrong.code).toBe(4);
  expect(wrong.stdout).toContain("the newest backup is 2 d 12 h old, the RPO is 1 d");
});

test("killed while one channel does not answer, what the other was told is known", async () => {
  await using there = await office();
  await using deaf = await httpReceiver(() => "silence");
  const env = { ...there.options.env, TEAM_URL: deaf.url };
  const first = spawnCli(["status", "--notify", "stale"], { cwd: there.path, env });
  const state = join(there.path, "repository/stale/records/alerts/state.json");
  await expect
    .poll(async () => await readFile(state, "utf8").catch(() => ""), { timeout: 30_000 })
    .toContain('"mail"');
  await expect.poll(() => deaf.requests.length).toBe(1);
  process.kill(first.pid, "SIGKILL");
  await first.result;
  const second = await runCli(["status", "--notify", "stale"], { cwd: there.path, env: there.options.env });
  expect(second.stderr).toContain("1 message sent");
  expect(there.mail.arrived).toHaveLength(1);
  expect(there.web.requests).toHaveLength(1);
});

test("a channel that does not work is a warning of the status, and the message stays due", async () => {
  await using there = await office();
  const env = { ...there.options.env, TEAM_URL: `${there.web.url}/gone/0123456789abcdef` };
  const failed = await runCli(["status", "--notify", "stale"], { ...there.options, env });
  expect(failed.stderr).toContain("warning: send to team: 127.0.0.1:");
  expect(failed.stderr).toContain("1 message sent");
  await there.clock.advance(3_600_000);
  await runCli(["status", "--notify", "stale"], there.options);
  expect(there.web.requests.at(-1)?.path).toBe("/services/T0/B0/0123456789");
});
