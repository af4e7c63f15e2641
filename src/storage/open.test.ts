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

test.each(["", "  ", "ftp://host/x", "file://host/share"])("%j is refused with a hint", (location) => {
  expect(() => openStorage(runtime, location)).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining("file:///") }),
  );
});

test("a bucket is opened by its URL, with keys beside it; a folder has none", () => {
  const url = "s3://bucket/prefix?endpoint=http://127.0.0.1:9000";
  const keys = { accessKey: "a", secretKey: "b" };
  expect(openStorage(runtime, { url, keys })).toMatchObject({ place: url, location: { url, keys } });
  expect(() => openStorage(runtime, { url: "/var/backups", keys })).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining("accessKey") }),
  );
});
