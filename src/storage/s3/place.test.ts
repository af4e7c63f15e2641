import { expect, test } from "vitest";
import { parseS3Url } from "./place.ts";

test.each([
  [
    "s3://acme-backups/handled",
    { bucket: "acme-backups", prefix: "handled/", endpoint: undefined, region: undefined, pathStyle: false },
  ],
  [
    "s3://b.u/a/b%20c/?endpoint=https://fra1.digitaloceanspaces.com/&region=fra1",
    {
      bucket: "b.u",
      prefix: "a/b c/",
      endpoint: "https://fra1.digitaloceanspaces.com",
      region: "fra1",
      pathStyle: true,
    },
  ],
  [
    "s3://bucket?endpoint=localhost:9000",
    { bucket: "bucket", prefix: "", endpoint: "https://localhost:9000", pathStyle: true },
  ],
  [
    "s3://bucket?endpoint=https://s3.eu-central-1.amazonaws.com",
    { endpoint: "https://s3.eu-central-1.amazonaws.com", pathStyle: false },
  ],
  ["s3://bucket?endpoint=http://127.0.0.1:7480&path-style=false", { pathStyle: false }],
])("%s is understood", (url, place) => {
  expect(parseS3Url(url)).toMatchObject(place);
});

test("one place has one spelling", () => {
  expect(parseS3Url("s3://bucket/prefix/?region=x").url).toBe("s3://bucket/prefix?region=x");
  expect(parseS3Url("s3://bucket/").url).toBe("s3://bucket");
});

test.each([
  ["s3://", /no bucket|no URL/],
  ["s3://ab", /no bucket/],
  ["s3://bucket:80/x", /no bucket/],
  ["s3://bucket/a//b", /empty part/],
  ["s3://bucket/a/%2e%2e/b?region", /with a value|empty part/],
  ["s3://bucket/%ff", /broken percent code/],
  ["s3://bucket?endpoint=ftp://x", /no http/],
  ["s3://bucket?path-style=yes", /`true` or `false`/],
  ["s3://bucket?region=a&region=b", /once/],
])("%s is refused", (url, message) => {
  expect(() => parseS3Url(url)).toThrow(
    expect.objectContaining({ code: "usage", message: expect.stringMatching(message) }),
  );
});

test("a mistyped parameter is told, with what was meant", () => {
  expect(() => parseS3Url("s3://bucket?endpont=https://x")).toThrow(
    expect.objectContaining({ hint: "did you mean `endpoint`?" }),
  );
});

test("keys in the URL are refused and not repeated", () => {
  expect(() => parseS3Url("s3://AKIA:topsecret@bucket/x")).toThrow(
    expect.objectContaining({
      message: expect.not.stringContaining("topsecret"),
      hint: expect.stringContaining("accessKey"),
    }),
  );
});
