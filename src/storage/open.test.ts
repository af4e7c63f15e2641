import { expect, test } from "vitest";
import { testRuntime } from "../../test/support/runtime.ts";
import { openStorage } from "./open.ts";

const runtime = testRuntime({ env: { HOME: "/home/ada" } });

test.each([
  ["/var/backups/handled", "/var/backups/handled"],
  ["/var/backups/handled/", "/var/backups/handled"],
  ["file:///var/backups/hand%20led", "/var/backups/hand led"],
  ["~/backups", "/home/ada/backups"],
  ["~", "/home/ada"],
])("%s is the folder %s", (location, place) => {
  expect(openStorage(runtime, location).place).toBe(place);
});

test("a relative folder belongs to the working folder", () => {
  expect(openStorage(runtime, "backups").place).toBe(`${process.cwd()}/backups`);
});

test.each(["", "  ", "s3://bucket/prefix", "ftp://host/x", "file://host/share"])(
  "%j is refused with a hint",
  (location) => {
    expect(() => openStorage(runtime, location)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("file:///") }),
    );
  },
);
