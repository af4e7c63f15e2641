import { expect, test } from "vitest";
import { placeOfKey } from "./location.ts";

test.each([
  ["/var/backups/what?", "/var/backups/what?/db/a"],
  ["s3://bucket/prefix", "s3://bucket/prefix/db/a"],
  ["s3://bucket?region=x", "s3://bucket/db/a?region=x"],
])("an object in %s is called %s", (place, name) => {
  expect(placeOfKey(place, "db/a")).toBe(name);
});
