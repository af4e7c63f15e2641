import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { parseStrategy } from "./load.ts";
import { databaseUrl, repositoryUrl } from "./strategy.ts";
import { type StrategyAnswers, strategyTemplate } from "./template.ts";

const FILE = "/etc/handled/handled.yaml";
const minimal: StrategyAnswers = {
  repository: "/var/backups/handled",
  databases: [{ name: "data", url: "service=data" }],
};

describe("strategyTemplate", () => {
  test("the least answers make a strategy with sensible values", () => {
    const { yaml, environment } = strategyTemplate(minimal);
    expect(environment).toEqual({});
    expect(parseStrategy(makeRuntime(), yaml, FILE).databases).toMatchObject([
      {
        name: "data",
        schemas: undefined,
        criticality: "medium",
        objectives: { rpoMs: 86_400_000, rtoMs: 4 * 3_600_000 },
        backups: [{ name: "nightly", format: "plain", schedule: "0 2 * * *", keep: { days: 14, min: 3 } }],
      },
    ]);
  });

  test("the examples in its comments are good strategy too", () => {
    const { yaml } = strategyTemplate(minimal);
    const uncommented = yaml.replaceAll(/^( *)#(?! \S)/gm, "$1");
    const strategy = parseStrategy(makeRuntime(), uncommented, FILE);
    expect(strategy).toMatchObject({ timeZone: "Europe/Berlin", contacts: [{ name: "Ada Lovelace" }] });
    expect(strategy.databases[0]).toMatchObject({
      schemas: ["public"],
      application: { health: "http://127.0.0.1:3000/health" },
    });
  });

  test("editors find the schema", () => {
    expect(strategyTemplate(minimal).yaml).toMatch(
      /^# yaml-language-server: \$schema=\.\/handled\.schema\.json\n/,
    );
  });

  test("a password goes to the environment, each under a name of its own", () => {
    const url = "postgresql://ada:hunter22@db/x";
    const { yaml, environment } = strategyTemplate({
      ...minimal,
      databases: ["my-db", "my db", "2024", "日本", "plain"].map((name) => ({
        name,
        url: name === "plain" ? "postgresql://ada@db/x" : `${url}?application_name=${name}`,
      })),
    });
    expect(Object.keys(environment)).toEqual([
      "MY_DB_DATABASE_URL",
      "MY_DB_DATABASE_URL_2",
      "_2024_DATABASE_URL",
      "HANDLED_DATABASE_URL",
    ]);
    expect(yaml).not.toContain("hunter22");
    expect(yaml).toContain("url: ${MY_DB_DATABASE_URL_2}");
    expect(yaml).toContain("url: postgresql://ada@db/x");
  });

  test("references in a URL stay, beside a literal password they are refused", () => {
    const of = (url: string): string =>
      strategyTemplate({ ...minimal, databases: [{ name: "data", url }] }).yaml;
    expect(of("${DATA_URL}")).toContain("url: ${DATA_URL}\n");
    expect(of("postgresql://ada:${PW}@db/x")).toContain('url: "postgresql://ada:${PW}@db/x"');
    expect(() => of("postgresql://${USER}:hunter22@db/x")).toThrow(
      expect.objectContaining({ code: "usage", message: expect.not.stringContaining("hunter22") }),
    );
  });

  test("comments stand at the first database only", () => {
    const count = (databases: StrategyAnswers["databases"]): number =>
      strategyTemplate({ ...minimal, databases }).yaml.match(/#/g)?.length ?? 0;
    const [data] = minimal.databases;
    if (data === undefined) throw new Error("no database");
    expect(count([data, { ...data, name: "primary" }])).toBe(count([data]));
  });
});

describe("any answers survive being written and read", () => {
  const isName = (name: string): boolean =>
    Buffer.byteLength(name) <= 63 && !/\p{Cc}/u.test(name) && name !== "__proto__";
  const odd = fc.constantFrom(
    "a.b",
    "my db",
    "it's",
    '"q"',
    "- x",
    "#",
    "null",
    "010",
    "1e3",
    "a: b",
    "${X}",
    "~",
    "[",
    "é".repeat(31),
  );
  const name = fc.oneof(odd, fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })).filter(isName);
  const text = fc.oneof(
    odd,
    fc.string({ unit: "binary", minLength: 1 }),
    fc.stringMatching(/^[ a-z:#'"\n${}-]+$/),
  );
  const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    fc.option(value, { nil: undefined });
  const password = fc.string({ unit: "grapheme", minLength: 1 }).map(encodeURIComponent);
  const database = fc.record({
    name,
    url: fc.oneof(
      password.map((secret) => `postgresql://ada:${secret}@db:5432/x`),
      fc.constantFrom("service=data", "postgresql://ada@h1,h2/x", "host='my host' dbname=x"),
    ),
    schemas: optional(fc.uniqueArray(name, { minLength: 1, maxLength: 4 })),
    criticality: optional(fc.constantFrom("critical" as const, "low" as const)),
    rpo: optional(fc.constantFrom("15m", "1h 30m", "1.5d")),
    format: optional(fc.constantFrom("plain" as const, "custom" as const)),
    compression: optional(fc.constantFrom("gzip" as const, "zstd" as const)),
    schedule: optional(fc.constantFrom("*/5 * * * *", "0 3 * * mon-fri")),
    keepDays: optional(fc.integer({ min: 1, max: 400 })),
  });
  const answers = fc.record({
    databases: fc.uniqueArray(database, { minLength: 1, maxLength: 4, selector: (one) => one.name }),
    repository: fc.constantFrom("/var/backups/handled", "/srv/my backups/#1", "/a${b", "/a: b", "/'"),
    timezone: optional(fc.constantFrom("Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires")),
    archivePrefix: optional(fc.constantFrom("team", "2024", "null", "1e3")),
    application: optional(
      fc.record({
        stop: text,
        start: text,
        health: optional(fc.webUrl()),
        restart: optional(text),
        envFile: optional(fc.constantFrom("/srv/my app/.env", "/a: b", "/#")),
      }),
    ),
    contacts: optional(
      fc.array(fc.record({ name: text, role: text, note: optional(text) }), { maxLength: 3 }),
    ),
  });

  test("property", () => {
    fc.assert(
      fc.property(answers, (given) => {
        const { yaml, environment } = strategyTemplate(given);
        const runtime = makeRuntime({ env: environment });
        const strategy = parseStrategy(runtime, yaml, FILE);
        const databaseNamed = new Map(strategy.databases.map((one) => [one.name, one]));
        expect([...databaseNamed.keys()].toSorted()).toEqual(
          given.databases.map((one) => one.name).toSorted(),
        );
        for (const asked of given.databases) {
          const read = databaseNamed.get(asked.name);
          if (read === undefined) throw new Error("a database got lost");
          expect(databaseUrl(runtime, read)).toBe(asked.url);
          expect(read.schemas).toEqual(asked.schemas);
          expect(read.criticality).toBe(asked.criticality ?? "medium");
          expect(read.backups).toMatchObject([
            {
              format: asked.format ?? "plain",
              compression: asked.compression ?? "gzip",
              schedule: asked.schedule ?? "0 2 * * *",
              keep: { days: asked.keepDays ?? 14, min: 3 },
            },
          ]);
          expect(read.application?.stop).toBe(given.application?.stop);
          expect(read.application?.start).toBe(given.application?.start);
          expect(read.application?.health).toBe(given.application?.health);
          expect(read.application?.restart).toBe(given.application?.restart);
          expect(read.application?.envFile).toBe(given.application?.envFile);
        }
        expect(repositoryUrl(runtime, strategy, "local")).toBe(given.repository);
        expect(strategy.archivePrefix).toBe(given.archivePrefix ?? "handled");
        expect(strategy.contacts).toEqual(
          (given.contacts ?? []).map((contact) => JSON.parse(JSON.stringify(contact)) as unknown),
        );
        if (given.timezone !== undefined) expect(strategy.timeZone).toBe(given.timezone);
      }),
      { numRuns: 200 },
    );
  });
});
