import { describe, expect, test } from "vitest";
import { change, FULL_STRATEGY, parse, problemsOf, STRATEGY_FILE } from "../../test/support/strategy.ts";

describe("unknown keys", () => {
  test.each([
    [
      "archivePrefix:",
      "archivPrefix:",
      "3:1 unknown key `archivPrefix` in the strategy; did you mean `archivePrefix`?",
    ],
    ["    url: /var", "    uri: /var", "6:5 unknown key `uri` in repositories.local; did you mean `url`?"],
    ["schemas:", "schema:", "10:5 unknown key `schema` in databases.primary; did you mean `schemas`?"],
    ["rto:", "rtto:", "14:7 unknown key `rtto` in databases.primary.objectives; did you mean `rto`?"],
    [
      "schedule:",
      "shedule:",
      "21:9 unknown key `shedule` in databases.primary.backups[0]; did you mean `schedule`?",
    ],
    ["days:", "day:", "23:11 unknown key `day` in databases.primary.backups[0].keep; did you mean `days`?"],
    [
      "      stop:",
      "      stopp:",
      "27:7 unknown key `stopp` in databases.primary.application; did you mean `stop`?",
    ],
    ["health:", "healt:", "36:3 unknown key `healt` in application; did you mean `health`?"],
    [
      "keepReplaced:",
      "keepreplaced:",
      "39:3 unknown key `keepreplaced` in recovery; did you mean `keepReplaced`?",
    ],
    ["phone:", "phon:", "44:5 unknown key `phon` in contacts[0]; did you mean `phone`?"],
  ])("%s as %s", (search, replacement, expected) => {
    expect(change(search, replacement)).toContain(expected);
  });

  test("lists what there is when nothing is near", () => {
    expect(change("keepReplaced: 2d", "zzzzzzzzzzzzzzzzzzzzzzzzzzzz: 2d")).toEqual([
      "39:3 unknown key `zzzzzzzzzzzzzzzzzzzzzzzzzzzz` in recovery; it may have keepReplaced",
    ]);
  });

  test("a misspelled key is not reported as missing as well", () => {
    expect(change("databases:", "databse:")).toEqual([
      "7:1 unknown key `databse` in the strategy; did you mean `databases`?",
    ]);
    expect(change("days: 14\n          min", "dayz: 14\n          min")).toHaveLength(1);
  });

  test("paths with odd names are readable", () => {
    expect(change("  primary:\n", '  "my db.é":\n    foo: 1\n')[0]).toContain('in databases["my db.é"];');
  });
});

describe("values", () => {
  test.each([
    ["version: 1", "version: 2", "1:10 version must be `1`, not the number 2"],
    ["version: 1", 'version: "1"', "1:10 version must be `1` without quotes"],
    [
      "Europe/Berlin",
      "Europe/Berln",
      /^2:11 timezone must be an IANA time zone .* did you mean `Europe\/Berlin`\?$/,
    ],
    ["Europe/Berlin", '"+01:00"', /^2:11 timezone must be an IANA time zone/],
    ["archivePrefix: handled", "archivePrefix: a/b", /^3:16 archivePrefix must be at most 32 letters/],
    [
      "archivePrefix: handled",
      "archivePrefix: 2024",
      "3:16 archivePrefix must be text, not the number 2024: put it in quotes",
    ],
    [
      "databases:",
      "  my repo: { url: x }\ndatabases:",
      /^7:3 the name repositories\["my repo"\] must be a short name/,
    ],
    [
      "url: /var/backups/handled",
      "url:",
      "6:5 repositories.local.url is empty: give it a value or remove the line",
    ],
    ["url: /var/backups/handled", 'url: ""', "6:10 repositories.local.url must not be empty"],
    ["url: /var/backups/handled", "url: [a]", "6:10 repositories.local.url must be text, not a list"],
    ["  primary:", `  ${"é".repeat(32)}:`, /must not be longer than 63 bytes$/],
    ["  primary:", '  "":', /^8:3 the name databases\[""\] must not be empty$/],
    ["  primary:", '  "a\\nb":', /must not have control characters$/],
    ["[config, customer]", "config", "10:14 databases.primary.schemas must be a list, not text"],
    ["[config, customer]", "[]", "10:14 databases.primary.schemas must not be an empty list"],
    [
      "[config, customer]",
      "[config, 7]",
      "10:23 databases.primary.schemas[1] must be text, not the number 7: put it in quotes",
    ],
    [
      "[config, customer]",
      "[config, config]",
      "10:23 databases.primary.schemas[1] is `config`, like one before it",
    ],
    [
      "criticality: critical",
      "criticality: hihg",
      "11:18 databases.primary.criticality must be `critical`, `high`, `medium` or `low`, not `hihg`; did you mean `high`?",
    ],
    ["criticality: critical", "criticality: yes", /not `yes`$/],
    ["criticality: critical", "criticality: {a: 1}", /not a block of keys$/],
    [
      "objectives:\n      rpo: 24h\n      rto: 1h",
      "objectives: 24h",
      "12:17 databases.primary.objectives must be a block of keys, not text",
    ],
    [
      "rpo: 24h",
      "rpo: 24",
      "13:12 databases.primary.objectives.rpo must have a unit: `24s`, `24m`, `24h` or `24d`",
    ],
    ['"[::1]:9420"', "true", /^\d+:9 daemon.http must be an address and a port such as `127.0.0.1:8420`, or/],
    ['"[::1]:9420"', "localhost", /^\d+:9 daemon.http must be an address and a port/],
    ['"[::1]:9420"', "127.0.0.1:99999", /^\d+:9 daemon.http must be an address and a port/],
    ["rpo: 24h", "rpo: daily", /^13:12 databases.primary.objectives.rpo must be a duration such as/],
    ["rpo: 24h", "rpo: 0h", "13:12 databases.primary.objectives.rpo must be longer than nothing"],
    [
      "lockTimeout: 45s",
      "lockTimeout: 30d",
      "29:18 databases.primary.lockTimeout must not be longer than `24d`",
    ],
    [
      "kind: archive",
      "kind: base",
      "18:15 databases.primary.backups[0].kind must be `archive` or `snapshot`, not `base`",
    ],
    [
      "format: custom",
      "format: sql",
      "19:17 databases.primary.backups[0].format must be `plain` or `custom`, not `sql`",
    ],
    ["name: nightly", "name: every night", /^17:15 databases.primary.backups\[0\].name must be a short name/],
    [
      '"0 3 * * *"',
      '"0 3 * *"',
      /^21:19 databases.primary.backups\[0\].schedule needs the five fields of cron/,
    ],
    [
      "days: 14",
      "days: 0",
      "23:17 databases.primary.backups[0].keep.days must be at least 1, not the number 0",
    ],
    ["days: 14", "days: 1e9", /must be at most 100000, not the number 1000000000$/],
    [
      "days: 14",
      "days: 1.5",
      "23:17 databases.primary.backups[0].keep.days must be a whole number, not the number 1.5",
    ],
    [
      "days: 14",
      'days: "14"',
      "23:17 databases.primary.backups[0].keep.days must be a whole number, not text: write it without quotes",
    ],
    ["days: 14", "days: true", /not `true`$/],
    ["          days: 14\n", "", /^23:11 databases.primary.backups\[0\].keep needs at least one of/],
    [
      "keep:\n          days: 14\n          min: 3",
      "keep: {}",
      /^22:15 databases.primary.backups\[0\].keep needs at least one of/,
    ],
    ["http://127", "ftp://127", /^36:11 application.health must be an address/],
    ["email: ada@example.org", "email: ada", "43:12 contacts[0].email must be an e-mail address"],
    ["email: ada@example.org", "email: 5", /must be text, not the number 5: put it in quotes$/],
    ["    role: on call\n", "", "41:5 missing key `role` in contacts[0]"],
    ["  start: pm2 restart handled-api\n", "", "33:1 missing key `start` in application"],
    ["    url: /var/backups/handled\n", "", /^5:3 repositories.local is empty/],
  ])("%s as %s", (search, replacement, expected) => {
    const problems = change(search, replacement);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(expected);
    if (typeof expected === "string") expect(problems[0]).toBe(expected);
  });

  test("all problems come in one error, in the order of the file", () => {
    const text = FULL_STRATEGY.replace("rpo: 24h", "rpo: 24")
      .replace("version: 1", "version: 3")
      .replace("repository: local", "repository: locl")
      .replace("schedule:", "shedule:")
      .replace("archivePrefix: handled", "archivePrefix: ${NOPE}");
    expect(() => parse(text)).toThrow(
      [
        `strategy ${STRATEGY_FILE}:1:10: version must be \`1\`, not the number 3 (and 4 more problems)`,
        `${STRATEGY_FILE}:3:16: archivePrefix needs the environment variable \`NOPE\`, which is not set`,
        `${STRATEGY_FILE}:13:12: databases.primary.objectives.rpo must have a unit: \`24s\`, \`24m\`, \`24h\` or \`24d\``,
        `${STRATEGY_FILE}:15:17: databases.primary.repository names \`locl\`, which is not under repositories; did you mean \`local\`?`,
        `${STRATEGY_FILE}:21:9: unknown key \`shedule\` in databases.primary.backups[0]; did you mean \`schedule\`?`,
      ].join("\n  "),
    );
    expect(problemsOf(text)[4]).toEqual({
      line: 21,
      column: 9,
      path: "databases.primary.backups[0].shedule",
      message: "unknown key `shedule` in databases.primary.backups[0]; did you mean `schedule`?",
    });
  });
});
