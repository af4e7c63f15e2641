import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { change, FULL_STRATEGY, parse, STRATEGY_FILE } from "../../test/support/strategy.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { loadStrategy, BY_DAEMON } from "./load.ts";
import type { Strategy } from "./strategy.ts";

describe("a good strategy", () => {
  test("becomes values that the program uses", () => {
    expect(parse(FULL_STRATEGY)).toEqual({
      path: STRATEGY_FILE,
      timeZone: "Europe/Berlin",
      archivePrefix: "handled",
      repositories: [
        {
          name: "local",
          url: { text: "/var/backups/handled", where: `${STRATEGY_FILE}:6:10` },
          garbageAgeMs: 86_400_000,
          keep: undefined,
        },
      ],
      databases: [
        {
          name: "primary",
          url: { text: "${PRIMARY_DATABASE_URL}", where: `${STRATEGY_FILE}:9:10` },
          schemas: ["config", "customer"],
          criticality: "critical",
          objectives: { rpoMs: 86_400_000, rtoMs: 3_600_000, proofMs: 3_024_000_000 },
          repositories: ["local"],
          backups: [
            {
              name: "nightly",
              kind: "archive",
              format: "custom",
              compression: "gzip",
              schedule: "0 3 * * *",
              keep: { days: 14, min: 3 },
              deadlineMs: 3 * 3_600_000,
            },
          ],
          verifications: [
            { name: "weekly", level: "integrity", schedule: "0 4 * * 0", deadlineMs: 3_600_000 },
          ],
          drills: [],
          prune: { schedule: "0 5 * * *", deadlineMs: 1_800_000 },
          copy: { schedule: "0 6 * * *", deadlineMs: undefined },
          application: {
            stop: "pm2 stop primary-api",
            start: "pm2 start primary-api",
            health: undefined,
            healthTimeoutMs: 60_000,
            withheld: [],
          },
          asserted: { assertions: [], application: undefined },
          heartbeat: false,
          lockTimeoutMs: 45_000,
        },
      ],
      keepReplacedMs: 2 * 86_400_000,
      duties: [
        {
          name: "dashboard-review",
          every: "weekly",
          what: "Look at the provider's dashboard",
          database: "primary",
        },
      ],
      daemon: {
        jobs: 3,
        jitterMs: 600_000,
        retries: 1,
        retryAfterMs: 120_000,
        http: { host: "::1", port: 9420 },
      },
      runbookFiles: [],
      contacts: [
        { name: "Ada", role: "on call", email: "ada@example.org", phone: "+44 20", note: "at night too" },
      ],
    });
  });

  test("may leave out all that has a default", () => {
    const strategy = parse(
      "version: 1\nrepositories: { here: { url: x } }\ndatabases: { data: { url: service=data, backups: [{ name: nightly }] } }\n",
    );
    expect(strategy).toMatchObject({
      archivePrefix: "handled",
      keepReplacedMs: 7 * 86_400_000,
      duties: [],
      daemon: {
        jobs: 2,
        jitterMs: 0,
        retries: 2,
        retryAfterMs: 300_000,
        http: { host: "127.0.0.1", port: 8420 },
      },
      contacts: [],
    });
    expect(strategy.timeZone).toBe(new Intl.DateTimeFormat().resolvedOptions().timeZone);
    expect(strategy.databases).toEqual([
      {
        name: "data",
        url: { text: "service=data", where: `${STRATEGY_FILE}:3:27` },
        schemas: undefined,
        criticality: "medium",
        objectives: { rpoMs: 86_400_000, rtoMs: 4 * 3_600_000, proofMs: 3_024_000_000 },
        repositories: ["here"],
        backups: [
          {
            name: "nightly",
            kind: "archive",
            format: undefined,
            compression: undefined,
            jobs: undefined,
            schedule: undefined,
            keep: undefined,
            deadlineMs: undefined,
          },
        ],
        verifications: [],
        drills: [],
        prune: undefined,
        copy: undefined,
        application: undefined,
        asserted: { assertions: [], application: undefined },
        heartbeat: false,
        lockTimeoutMs: 30_000,
      },
    ]);
  });

  test("shares the common application with databases that have none of their own", () => {
    const text = FULL_STRATEGY.replace(/ {4}application:\n.*\n.*\n/, "");
    expect(parse(text).databases[0]?.application).toMatchObject({ stop: "pm2 stop handled-api" });
  });

  test("may use CRLF, a byte order mark and anchors", () => {
    const text = FULL_STRATEGY.replace("stop: pm2 stop primary-api", "stop: &stop pm2 stop all")
      .replace("stop: pm2 stop handled-api", "stop: *stop")
      .replaceAll("\n", "\r\n");
    expect(parse(`\uFEFF${text}`).databases[0]?.application?.stop).toBe("pm2 stop all");
  });

  test("names databases as they are written", () => {
    const names = parse(FULL_STRATEGY.replace("primary:", "010:")).databases.map(({ name }) => name);
    expect(names).toEqual(["010"]);
  });
});

describe("interpolation", () => {
  test("other values are looked up at once, URLs and shell commands are not", () => {
    const text = FULL_STRATEGY.replace("stop: pm2 stop handled-api", "stop: pm2 stop ${APP}")
      .replace("note: at night too", () => "note: ${WHEN:-always} $${x}")
      .replace("archivePrefix: handled", "archivePrefix: ${PREFIX}");
    const strategy = parse(text, { PREFIX: "team" });
    expect(strategy.archivePrefix).toBe("team");
    expect(strategy.contacts[0]?.note).toBe("always ${x}");
    expect(strategy.databases[0]?.url.text).toBe("${PRIMARY_DATABASE_URL}");
    expect(
      parse(text.replace(/ {4}application:\n.*\n.*\n/, ""), { PREFIX: "x" }).databases[0]?.application?.stop,
    ).toBe("pm2 stop ${APP}");
  });

  test("an unquoted value counts as if it stood in the file", () => {
    const days = (text: string): unknown =>
      parse(FULL_STRATEGY.replace("days: 14", text), { DAYS: "30" }).databases[0]?.backups[0]?.keep?.days;
    expect(days("days: ${DAYS}")).toBe(30);
    expect(days("days: ${NONE:-7}")).toBe(7);
    expect(change("days: 14", 'days: "${DAYS}"', { DAYS: "30" })).toHaveLength(1);
  });

  test("a variable that is not set is one problem with its line", () => {
    expect(change("days: 14", "days: ${DAYS}")).toEqual([
      "23:17 databases.primary.backups[0].keep.days needs the environment variable `DAYS`, which is not set",
    ]);
  });

  test("a broken reference is found at once, in URLs too", () => {
    expect(change("${PRIMARY_DATABASE_URL}", "postgresql://${USER@db/x")[0]).toMatch(
      /^9:10 databases.primary.url has a `\$\{` that begins no reference/,
    );
  });
});

describe("loadStrategy", () => {
  async function load(
    content: string | Uint8Array,
    mode = 0o600,
    env = {},
  ): Promise<{ strategy: Strategy; warnings: string[] }> {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "handled.yaml");
    await writeFile(path, content);
    await chmod(path, mode);
    const runtime = testRuntime({ env });
    return { strategy: await loadStrategy(runtime, path, noAbort()), warnings: runtime.warnings };
  }

  test("reads a file, and knows where it was", async () => {
    const { strategy, warnings } = await load(FULL_STRATEGY, 0o644);
    expect(strategy.path).toMatch(/^\/.*\/handled\.yaml$/);
    expect(warnings).toEqual([]);
  });

  test("warns of a password that others may read, without showing it", async () => {
    const secret = FULL_STRATEGY.replace("${PRIMARY_DATABASE_URL}", "postgresql://ada:hunter22@db/x");
    for (const mode of [0o644, 0o640, 0o604]) {
      const { warnings } = await load(secret, mode);
      expect(warnings).toEqual([expect.stringMatching(/chmod 600/)]);
      expect(warnings.join()).not.toContain("hunter22");
    }
    expect((await load(secret, 0o600)).warnings).toEqual([]);
    // The daemon that started it has said so.
    expect((await load(secret, 0o644, { [BY_DAEMON]: "1" })).warnings).toEqual([]);
  });

  test.each<[string, string | Uint8Array, RegExp]>([
    ["bytes that are no text", Uint8Array.of(0x61, 0xff, 0xfe), /it is not UTF-8 text$/],
    ["something huge", `${"# x".repeat(1000)}\n`.repeat(400), /it is larger than 1 MiB/],
  ])("refuses %s", async (_, content, message) => {
    await expect(load(content)).rejects.toMatchObject({
      code: "strategy_invalid",
      message: expect.stringMatching(message),
    });
  });

  test("refuses a folder and a file that is not there", async () => {
    await using folder = await temporaryFolder();
    await expect(loadStrategy(testRuntime(), folder.path, noAbort())).rejects.toMatchObject({
      code: "strategy_invalid",
      message: `read strategy ${folder.path}: it is a folder`,
    });
    await expect(loadStrategy(testRuntime(), join(folder.path, "x"), noAbort())).rejects.toMatchObject({
      code: "strategy_missing",
    });
  });

  test("stops when it is told to", async () => {
    const stopped = AbortSignal.abort(new Error("enough"));
    await expect(loadStrategy(testRuntime(), "/dev/null", stopped)).rejects.toThrow("enough");
  });
});
