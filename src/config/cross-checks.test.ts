import { describe, expect, test } from "vitest";
import { change, FULL_STRATEGY, parse, problemsOf } from "../../test/support/strategy.ts";

describe("names that belong together", () => {
  test("two backups of one database share a name", () => {
    expect(
      change("    application:\n      stop", "      - name: nightly\n    application:\n      stop"),
    ).toEqual(["25:15 databases.primary.backups[1].name is `nightly`, like one before it"]);
  });

  test("a repository must be chosen where there are several", () => {
    const two = FULL_STRATEGY.replace("databases:", "  offsite: { url: /mnt/x }\ndatabases:");
    expect(problemsOf(two.replace("    repository: local\n", ""))).toMatchObject([
      {
        line: 9,
        message: "missing key `repository` in databases.primary: there are several (local, offsite)",
      },
    ]);
    expect(parse(two).databases[0]?.repository).toBe("local");
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
