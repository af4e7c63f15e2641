import { expect, test } from "vitest";
import { s3Error } from "./errors.ts";

const asked = {
  what: "write s3://bucket/key",
  bucket: "bucket",
  endpoint: undefined,
  now: new Date("2026-01-01T12:20:00Z"),
};

function answer(status: number, name: string, date = "Thu, 01 Jan 2026 12:00:00 GMT"): Error {
  return Object.assign(new Error("any text"), {
    name,
    $metadata: { httpStatusCode: status },
    $response: { statusCode: status, headers: { date } },
  });
}

test("the difference of two clocks is told, with both times", () => {
  expect(s3Error(asked, answer(403, "RequestTimeTooSkewed"))).toMatchObject({
    code: "repository_unusable",
    message: "write s3://bucket/key: this machine's clock is 20 min ahead of the server's",
    hint: expect.stringContaining("it says 2026-01-01T12:20:00.000Z, the server 2026-01-01T12:00:00.000Z"),
  });
});

test.each([
  [answer(404, "NoSuchKey"), "object_missing"],
  [answer(404, "NoSuchBucket"), "bucket_missing"],
  [answer(403, "AccessDenied"), "repository_unusable"],
  [answer(403, "QuotaExceeded"), "space_missing"],
  [answer(507, "XMinioStorageFull"), "space_missing"],
  [answer(501, "NotImplemented"), "repository_unusable"],
  [answer(301, "PermanentRedirect"), "repository_unusable"],
  [answer(503, "SlowDown"), "repository_unreachable"],
  [answer(502, ""), "repository_unreachable"],
  [Object.assign(new Error("x"), { code: "ECONNRESET" }), "repository_unreachable"],
  [Object.assign(new Error("x"), { code: "EAI_AGAIN" }), "repository_unreachable"],
  [new AggregateError([Object.assign(new Error("x"), { code: "ECONNREFUSED" })]), "repository_unreachable"],
  [Object.assign(new Error("x"), { name: "TimeoutError" }), "repository_unreachable"],
  [Object.assign(new Error("x"), { code: "CERT_HAS_EXPIRED" }), "repository_unusable"],
  [Object.assign(new Error("x"), { name: "CredentialsProviderError" }), "repository_unusable"],
  [
    Object.assign(new SyntaxError("<html>"), { $response: { statusCode: 504, headers: {} } }),
    "repository_unreachable",
  ],
])("%s is %s", (error, code) => {
  expect(s3Error(asked, error)).toMatchObject({
    code,
    message: expect.stringContaining("write s3://bucket/key: "),
  });
});
