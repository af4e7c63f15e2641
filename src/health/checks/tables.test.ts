import { describe, expect, test } from "vitest";
import { factsOf, indexOf } from "../../../test/support/health-facts.ts";
import type { TableLine } from "../../repository/manifest.ts";
import type { Facts } from "../facts.ts";
import { checkTables } from "./tables.ts";

type Tables = Readonly<Record<string, number | null>>;

/** Facts of nightly backups, newest first, with so many rows in each table. */
function nights(...tables: readonly Tables[]): Facts {
  return factsOf({
    criticality: "critical",
    tables: tables.map((counts, n) => ({
      backup: indexOf({ id: `202412${String(11 - n).padStart(2, "0")}T020000Z-0001`, database: "data" }),
      tables: Object.entries(counts).map(([name, rows]): TableLine => {
        return { schema: "reference", name, rows, bytes: (rows ?? 0) * 20 };
      }),
    })),
  });
}

const times = (count: number, tables: Tables): Tables[] => Array.from({ length: count }, () => tables);

describe("a table that shrank", () => {
  test("is told with what it had, since when, and which backup has it", () => {
    const found = checkTables(
      nights({ products: 3900 }, { products: 3890 }, ...times(8, { products: 10_000 })),
    );
    expect(found).toEqual([
      {
        id: "table-shrunk",
        database: "data",
        subject: "reference.products",
        severity: "critical",
        message:
          "reference.products has 61 % fewer rows than the median of the 8 backups before 2024-12-10 02:00 UTC: " +
          "3,900 rows, and 10,000 rows then",
        hint:
          "`handled diff data 20241209T020000Z-0001 latest` tells what changed; " +
          "`handled restore data 20241209T020000Z-0001 --table reference.products --new-database look` brings back what it had",
        evidence: {
          of: "rows",
          now: 3900,
          median: 10_000,
          backups: 8,
          since: "2024-12-10T02:00:00Z",
          goodBackup: "20241209T020000Z-0001",
        },
      },
    ]);
  });

  test("also a small one that is empty now; not one that never had much", () => {
    const found = (now: number, before: number) =>
      checkTables(nights({ t: now }, ...times(6, { t: before }))).map(({ id }) => id);
    expect(found(0, 50)).toEqual(["table-shrunk"]);
    expect(found(0, 9)).toEqual([]);
    expect(found(20, 50)).toEqual([]);
  });

  test("emptied when there are only a few backups to compare with, or a single one", () => {
    for (let count = 1; count < 6; count++) {
      const [found, ...others] = checkTables(nights({ t: 0 }, ...times(count, { t: 500 })));
      expect(others).toEqual([]);
      expect(found?.id).toBe("table-shrunk");
      expect(found?.message).toContain(
        count === 1 ? "of the 1 backup before" : `of the ${count} backups before`,
      );
    }
    expect(checkTables(nights({ t: 0 }, { t: 500 }, { t: 0 }, { t: 500 }))).toEqual([]);
    expect(checkTables(nights({ t: 300 }, { t: 500 }))).toEqual([]);
  });

  test("as many rows with less in them", () => {
    const facts = nights({ t: 1000 }, ...times(6, { t: 1000 }));
    const [newest, ...others] = facts.tables;
    if (newest === undefined) throw new Error("no backup");
    const heavy = others.map((one) => ({
      ...one,
      tables: one.tables.map((line) => ({ ...line, bytes: 1_000_000 })),
    }));
    expect(checkTables({ ...facts, tables: [newest, ...heavy] })).toMatchObject([
      { id: "table-shrunk", evidence: { of: "bytes" }, message: expect.stringContaining("98 % less in it") },
    ]);
  });
});

test("a materialized view has no rows in a backup, and is not judged", () => {
  expect(checkTables(nights({ view: null }, ...times(8, { view: null })))).toEqual([]);
});

test("a table that grew manyfold is worth a look", () => {
  expect(checkTables(nights({ t: 4000 }, ...times(6, { t: 1000 })))).toMatchObject([
    {
      id: "table-grown",
      severity: "notice",
      message: expect.stringContaining("4.0 times as many rows than"),
    },
  ]);
});

describe("a table that is gone or new", () => {
  test("is told; an empty one that goes, or one that comes and goes, is not", () => {
    expect(
      checkTables(
        nights(
          { kept: 1, fresh: 0 },
          { kept: 1, gone: 7, none: 0 },
          { kept: 1, gone: 5, old: 3 },
          { kept: 1 },
        ),
      ).map(({ id, subject }) => [id, subject]),
    ).toEqual([
      ["table-appeared", "reference.fresh"],
      ["table-vanished", "reference.gone"],
    ]);
  });

  test("with many others at once is one finding", () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`t${n}`, 3]));
    const found = checkTables(nights({}, many, many));
    expect(found).toHaveLength(1);
    expect(found[0]?.message).toMatch(
      /^500 tables at once \(reference.t0, .*t4 and 495 more\), such as: reference.t0 is gone; it had 3 rows$/,
    );
  });
});

test("the first backup is compared with nothing", () => {
  expect(checkTables(nights({ t: 0 }))).toEqual([]);
  expect(checkTables(nights())).toEqual([]);
});
