import { expect, test } from "vitest";
import { parse } from "../../test/support/strategy.ts";
import { reviewStrategy } from "./review.ts";

const NOW = new Date("2024-12-11T12:00:00Z");

/** The warnings for one database with this URL and these lines. */
function review(lines: string, url = "service=data"): string[] {
  const text = `version: 1
timezone: Europe/Berlin
repositories: { local: { url: /backups } }
databases:
  data:
    url: ${url}
${lines}`;
  return reviewStrategy(parse(text), NOW);
}

const backup = (schedule: string, keep = "{ days: 14 }"): string =>
  `    backups: [{ name: nightly, schedule: "${schedule}", keep: ${keep} }]\n`;

test("a nightly backup meets an RPO of a day, also on the day of 25 hours", () => {
  expect(review(backup("0 2 * * *"))).toEqual([]);
});

test("what is backed up by hand only is named", () => {
  expect(review("")).toEqual(["data has no backups: it is only backed up by hand"]);
  expect(review("    backups: [{ name: nightly, keep: { days: 14 } }]\n")).toEqual([
    "no backup of data has a schedule: it is only backed up by hand",
  ]);
});

test("the longest time between two backups is compared with the RPO", () => {
  expect(review(backup("0 2 * * 1-5"))).toEqual(["backups of data are up to 3 d apart, and its RPO is 1 d"]);
  expect(review(`    objectives: { rpo: 31d }\n${backup("0 2 1 * *")}`)).toEqual([]);
  expect(review(`    objectives: { rpo: 10m }\n${backup("*/10 * * * *")}`)).toEqual([]);
  expect(review(`    objectives: { rpo: 5m }\n${backup("*/10 * * * *")}`)).toEqual([
    "backups of data are up to 10 min apart, and its RPO is 5 min",
  ]);
});

test("several schedules count together", () => {
  expect(
    review(`    objectives: { rpo: 12h }
    backups:
      - { name: night, schedule: "0 2 * * *", keep: { days: 14 } }
      - { name: noon, schedule: "0 14 * * *", keep: { days: 2 } }
`),
  ).toEqual([]);
});

test("a backup that is never deleted is named", () => {
  expect(review('    backups: [{ name: nightly, schedule: "0 2 * * *" }]\n')).toEqual([
    "backup nightly of data has no `keep`: every backup stays for ever",
  ]);
});

test("a password in the file is named, and not shown", () => {
  expect(review(backup("0 2 * * *"), "postgresql://ada:hunter22@db/data")).toEqual([
    "the URL of data has a password in it: `${NAME}` or ~/.pgpass keep it out of the file",
  ]);
});

test("the secret key of a bucket in the file is named, and not shown", () => {
  const reviewed = (secretKey: string): string[] => {
    const bucket = `{ url: "s3://bucket", accessKey: a, secretKey: "${secretKey}" }`;
    const text = `version: 1\nrepositories: { b: ${bucket} }\ndatabases:\n  data:\n    url: service=data\n${backup("0 2 * * *")}`;
    return reviewStrategy(parse(text), NOW);
  };
  expect(reviewed("hunter22")).toEqual([
    "the secret key of repository b is in the file: `${NAME}` keeps it out of it",
  ]);
  expect(reviewed("${SECRET}")).toEqual([]);
});
