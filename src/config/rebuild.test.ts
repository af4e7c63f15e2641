import { expect, test } from "vitest";
import { change, FULL_STRATEGY, parse } from "../../test/support/strategy.ts";

const ASKED = "    lockTimeout: 45s\n";
const REBUILD = `${ASKED}    rebuild:
      sources: [dumps/*.csv, /srv/all.csv]
      commands:
        - { name: import, run: 'psql "$DATABASE_URL" -f $HOME/import.sql', timeout: 2h }
        - { name: transform, run: make all }
`;

test("sources and commands become absolute paths and ordered commands; the shell expands variables", () => {
  const { databases } = parse(FULL_STRATEGY.replace(ASKED, () => REBUILD));
  expect(databases[0]?.rebuild).toEqual({
    sources: [
      { source: "dumps/*.csv", path: "/etc/handled/dumps/*.csv" },
      { source: "/srv/all.csv", path: "/srv/all.csv" },
    ],
    commands: [
      { name: "import", run: 'psql "$DATABASE_URL" -f $HOME/import.sql', timeout: 7_200_000 },
      { name: "transform", run: "make all", timeout: 4 * 3_600_000 },
    ],
    directory: "/etc/handled",
    databaseVariable: "DATABASE_URL",
    environment: [],
  });
});

test("commands of one name, and the database's variable among ours, are refused", () => {
  const refused = (search: string, replacement: string) =>
    change(
      ASKED,
      REBUILD.replace(search, () => replacement),
    ).map((line) => line.replace(/^\d+:\d+ /, ""));
  expect(refused("name: transform", "name: import")[0]).toContain("must have different names");
  expect(refused("      commands:", "      environment: [DATABASE_URL]\n      commands:")[0]).toContain(
    "must not name the variable of `databaseVariable`",
  );
});
