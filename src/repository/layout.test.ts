import fc from "fast-check";
import { expect, test } from "vitest";
import { checkKey } from "../storage/keys.ts";
import { databaseFolder, databaseOfFolder, isArchiveName, leaseKey, leaseNumber } from "./layout.ts";

const anyName = fc
  .string({ unit: "binary", minLength: 1, maxLength: 63 })
  .filter((name) => name.isWellFormed());

test("every name has a folder of its own that leads back to it and is safe as a key", () => {
  fc.assert(
    fc.property(anyName, (name) => {
      const folder = databaseFolder(name).slice(0, -1);
      checkKey(folder);
      expect(folder).toMatch(/^[A-Za-z0-9_%-][A-Za-z0-9._%-]*$/);
      expect(databaseOfFolder(folder)).toBe(name);
    }),
  );
});

test.each([
  ["data", "data/"],
  ["two words", "two%20words/"],
  ["..", "%2E./"],
  ["../../etc", "%2E.%2F..%2Fetc/"],
  ["system", "%73ystem/"],
  ["%73ystem", "%2573ystem/"],
])("the folder of %j is %s", (name, folder) => {
  expect(databaseFolder(name)).toBe(folder);
});

test("the longest name, all of it encoded, still fits a file name", () => {
  expect(databaseFolder("é".repeat(31)).length).toBeLessThan(255);
});

test.each(["system", "a%20b ", "%zz", "a%2d", "ü"])("the folder %j is nobody's", (folder) => {
  expect(databaseOfFolder(folder)).toBeUndefined();
});

test("lease keys carry their number", () => {
  expect(leaseNumber(leaseKey("data", 17))).toBe(17);
  for (const key of ["data/lease.0.json", "data/lease.01.json", "data/lease.json", "data/release.1.json"]) {
    expect(leaseNumber(key)).toBeUndefined();
  }
});

test("archives are known by their ending", () => {
  for (const name of ["a.sql", "a.sql.gz", "a.sql.zst", "a.dump", "A.SQL.GZ"])
    expect(isArchiveName(name)).toBe(true);
  for (const name of ["a.sql.bz2", "a.txt", "lease.1.json", "sql"]) expect(isArchiveName(name)).toBe(false);
});
