import { describe, expect, test } from "vitest";
import { archiveFileName, archiveFormatOf, latestName, type NameRequest } from "./names.ts";

const request: NameRequest = {
  prefix: "handled",
  database: "data",
  at: new Date("2024-12-11T13:30:22Z"),
  timeZone: "Europe/Amsterdam",
  format: "plain",
  compression: "gzip",
  taken: () => false,
};

describe("archiveFileName", () => {
  test("shows the wall clock of the zone", () => {
    expect(archiveFileName(request)).toBe("handled_data_20241211_143022.sql.gz");
    expect(archiveFileName({ ...request, timeZone: "UTC" })).toBe("handled_data_20241211_133022.sql.gz");
    const midnight = new Date("2024-12-31T15:00:00Z");
    expect(archiveFileName({ ...request, at: midnight, timeZone: "Asia/Tokyo" })).toBe(
      "handled_data_20250101_000000.sql.gz",
    );
  });

  test("says format and compression by its suffix", () => {
    expect(archiveFileName({ ...request, compression: "zstd" })).toMatch(/\.sql\.zst$/);
    expect(archiveFileName({ ...request, format: "custom" })).toMatch(/_143022\.dump$/);
  });

  test("counts on when a name is taken, as in the hour that a clock change repeats", () => {
    const taken = new Set<string>();
    const make = (at: string): string => {
      const name = archiveFileName({
        ...request,
        at: new Date(at),
        taken: (candidate) => taken.has(candidate),
      });
      taken.add(name);
      return name;
    };
    expect(make("2024-10-27T00:30:00Z")).toBe("handled_data_20241027_023000.sql.gz");
    expect(make("2024-10-27T01:30:00Z")).toBe("handled_data_20241027_023000_2.sql.gz");
    expect(make("2024-10-27T01:30:00Z")).toBe("handled_data_20241027_023000_3.sql.gz");
  });

  test("encodes what a file name cannot hold", () => {
    expect(archiveFileName({ ...request, database: "a/b c" })).toBe(
      "handled_a%2Fb%20c_20241211_143022.sql.gz",
    );
    const longest = archiveFileName({ ...request, database: "é".repeat(31) });
    expect(Buffer.byteLength(longest)).toBeLessThanOrEqual(255);
    expect(() => archiveFileName({ ...request, prefix: "x".repeat(240) })).toThrow(
      expect.objectContaining({ code: "usage" }) as Error,
    );
  });
});

test("latestName is no archive's name", () => {
  expect(latestName(request)).toBe("handled_data_latest.sql.gz");
  expect(latestName({ ...request, format: "custom" })).toBe("handled_data_latest.dump");
});

test.each([
  ["nightly.sql", "plain", "none"],
  ["nightly.SQL.GZ", "plain", "gzip"],
  ["nightly.sql.zst", "plain", "zstd"],
  ["primary.dump", "custom", "none"],
  ["primary.pgdump", "custom", "none"],
  ["primary.custom", "custom", "none"],
  ["primary.backup.gz", "custom", "gzip"],
])("archiveFormatOf recognises %s", (name, format, compression) => {
  expect(archiveFormatOf(name)).toEqual({ format, compression });
});

test.each(["lease.1.json", "notes.txt", ".sql", "index", "photo.gz", "dump"])(
  "archiveFormatOf leaves %s alone",
  (name) => {
    expect(archiveFormatOf(name)).toBeUndefined();
  },
);
