import { newIdentity } from "../lib/age/keys.ts";
import { describe, expect, test } from "vitest";
import { change, FULL_STRATEGY, parse, problemsOf } from "../../test/support/strategy.ts";

describe("names that belong together", () => {
  test("two backups of one database share a name", () => {
    expect(
      change("    application:\n      stop", "      - name: nightly\n    application:\n      stop"),
    ).toEqual(["26:15 databases.primary.backups[1].name is `nightly`, like one before it"]);
  });

  test("a repository must be chosen where there are several", () => {
    const two = FULL_STRATEGY.replace("databases:", "  offsite: { url: /mnt/x }\ndatabases:");
    expect(problemsOf(two.replace("    repository: local\n", ""))).toMatchObject([
      {
        line: 9,
        message:
          "missing key `repository` in databases.primary: there are several (local, offsite); `repositories` with a list keeps every backup in each",
      },
    ]);
    expect(parse(two).databases[0]?.repositories).toEqual(["local"]);
  });

  test("repositories and databases are needed", () => {
    expect(problemsOf("version: 1\nrepositories: {}\ndatabases: {}\n").map(({ message }) => message)).toEqual(
      ["repositories needs at least one repository", "databases needs at least one database"],
    );
    expect(problemsOf("version: 1\n").map(({ message }) => message)).toEqual([
      "missing key `repositories` in the strategy",
      "missing key `databases` in the strategy",
    ]);
  });
});

test("a check at the level assertions needs some", () => {
  const strategy = (more: string): string =>
    "version: 1\nrepositories: { local: { url: /a } }\n" +
    `databases: { shop: { url: service=shop, verify: [{ name: monthly, level: assertions }]${more} } }\n`;
  expect(problemsOf(strategy("")).map(({ message }) => message)).toEqual([
    "databases.shop.verify[0].level is `assertions`, and databases.shop has neither `assertions` nor `trial`",
  ]);
  const [shop] = parse(strategy(', assertions: [{ expect: "select true" }]')).databases;
  expect(shop?.asserted.assertions).toEqual([{ expect: "select true", timeout: 60_000 }]);
  const trial = ", trial: { start: 'run ${X}', health: /, environment: [PGPASSWORD, DATABASE_URL] }";
  expect(problemsOf(strategy(trial)).map(({ message }) => message)).toEqual([
    expect.stringContaining("must name each variable once"),
    expect.stringContaining("must not begin with `PG` or `HANDLED_`"),
  ]);
  expect(problemsOf(strategy(", trial: { start: run, health: 'http://live/' }"))[0]?.message).toContain(
    "must be a path that begins with `/`",
  );
});

test("the places of one database are encrypted to the same keys", () => {
  const [a, b] = [newIdentity().recipient.text, newIdentity().recipient.text];
  const problems = (local: string, offsite: string): string[] =>
    problemsOf(
      `version: 1\nrepositories: { local: { url: /a${local} }, offsite: { url: /b${offsite} } }\n` +
        "databases: { shop: { url: service=shop, repositories: [local, offsite] } }\n",
    ).map(({ message }) => message);
  expect(() => problems(`, recipients: [${a}, ${b}]`, `, recipients: [${b}, ${a}]`)).toThrow("accepted");
  const refusal = (key: string): string =>
    `databases.shop.repositories[1]: \`offsite\` and \`local\` have different \`${key}\`; all places of one database are encrypted to the same keys`;
  expect(problems(`, recipients: [${a}]`, `, recipients: [${b}]`)).toEqual([refusal("recipients")]);
  expect(problems(`, recipients: [${a}]`, "")).toEqual([refusal("recipients")]);
  expect(problems("", ", hostKey: /etc/handled/host.key")).toEqual([refusal("hostKey")]);
});

describe("keys of a repository", () => {
  const textWith = (repository: string): string =>
    `version: 1\nrepositories:\n  place: ${repository}\ndatabases:\n  shop: { url: service=shop }\n`;
  const withRepository = (repository: string): string[] =>
    problemsOf(textWith(repository)).map(({ message }) => message);

  test("half a pair is refused, and so are keys of a folder", () => {
    expect(withRepository('{ url: "s3://bucket/x", accessKey: a }')).toEqual([
      "missing key `secretKey` in repositories.place: it belongs to `accessKey`",
    ]);
    expect(withRepository('{ url: "s3://bucket/x", secretKey: b }')).toEqual([
      "missing key `accessKey` in repositories.place: it belongs to `secretKey`",
    ]);
    expect(withRepository("{ url: /var/backups, accessKey: a, secretKey: b }")).toEqual([
      "repositories.place.accessKey is nothing that a folder has",
    ]);
  });

  test("a pair belongs to a bucket, also to one that a variable names", () => {
    for (const url of ["s3://bucket/x", "${BUCKET_URL}"]) {
      const { repositories } = parse(textWith(`{ url: "${url}", accessKey: a, secretKey: b }`));
      expect(repositories[0]).toMatchObject({ accessKey: { text: "a" }, secretKey: { text: "b" } });
    }
  });
});
