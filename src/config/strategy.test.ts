import { expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { parseStrategy } from "./load.ts";
import { databaseUrl, findDatabase, repositoryLocation, repositoryUrl } from "./strategy.ts";

const strategy = parseStrategy(
  makeRuntime(),
  `version: 1
repositories:
  absolute: { url: /var/backups/handled }
  beside: { url: backups }
  above: { url: ../backups }
  home: { url: ~/backups }
  file: { url: "file:///srv/backups" }
  variable: { url: "\${BACKUPS}/handled" }
  empty: { url: "\${BACKUPS:-}" }
databases:
  primary: { url: "\${PRIMARY_DATABASE_URL}", repository: absolute }
  data: { url: "service=data", repository: beside }
`,
  "/etc/handled/handled.yaml",
);
const runtime = makeRuntime({ env: { HOME: "/home/ada", BACKUPS: "/mnt" } });

test.each([
  ["absolute", "/var/backups/handled"],
  ["beside", "/etc/handled/backups"],
  ["above", "/etc/backups"],
  ["home", "/home/ada/backups"],
  ["file", "file:///srv/backups"],
  ["variable", "/mnt/handled"],
])("the repository %s is at %s, whatever the working folder", (name, location) => {
  expect(repositoryUrl(runtime, strategy, name)).toBe(location);
});

test("an empty location is not taken for the strategy's own folder", () => {
  expect(() => repositoryUrl(makeRuntime(), strategy, "empty")).toThrow(
    expect.objectContaining({
      code: "strategy_invalid",
      message: expect.stringContaining("handled.yaml:9:17"),
    }),
  );
});

test("~ without HOME is an error", () => {
  expect(() => repositoryUrl(makeRuntime(), strategy, "home")).toThrow(/needs HOME/);
});

test("an unknown repository or database is a mistake of the caller", () => {
  expect(() => repositoryUrl(runtime, strategy, "nope")).toThrow(expect.objectContaining({ code: "usage" }));
  expect(() => findDatabase(strategy, "primry")).toThrow(
    expect.objectContaining({ code: "usage", hint: "did you mean `primary`?" }),
  );
  expect(() => findDatabase(strategy, "accounting")).toThrow(
    expect.objectContaining({ hint: "it has primary, data" }),
  );
});

test("a URL is looked up only when it is asked for", () => {
  const primary = findDatabase(strategy, "primary");
  expect(databaseUrl(makeRuntime({ env: { PRIMARY_DATABASE_URL: "postgresql://db/x" } }), primary)).toBe(
    "postgresql://db/x",
  );
  expect(() => databaseUrl(runtime, primary)).toThrow(/handled\.yaml:11:19: .*`PRIMARY_DATABASE_URL`/);
  expect(databaseUrl(runtime, findDatabase(strategy, "data"))).toBe("service=data");
});

test("an empty URL is not taken for libpq's defaults", () => {
  const primary = findDatabase(strategy, "primary");
  expect(() => databaseUrl(makeRuntime({ env: { PRIMARY_DATABASE_URL: " " } }), primary)).toThrow(
    expect.objectContaining({ code: "strategy_invalid", message: expect.stringContaining("empty text") }),
  );
});

test("the keys of a bucket come from the environment when they are needed, and are secrets", () => {
  const text = `version: 1
repositories:
  bucket: { url: "s3://b1/x?endpoint=https://fra1.example", accessKey: "\${KEY}", secretKey: "\${OTHER}" }
databases:
  shop: { url: service=shop }
`;
  const bare = makeRuntime();
  const bucket = parseStrategy(bare, text, "/etc/handled.yaml");
  expect(repositoryUrl(bare, bucket, "bucket")).toBe("s3://b1/x?endpoint=https://fra1.example");
  expect(() => repositoryLocation(bare, bucket, "bucket")).toThrow(
    expect.objectContaining({ code: "strategy_invalid", message: expect.stringContaining("`KEY`") }),
  );
  const set = makeRuntime({ env: { KEY: "AKIA", OTHER: "quite secret" } });
  expect(repositoryLocation(set, bucket, "bucket")).toEqual({
    url: "s3://b1/x?endpoint=https://fra1.example",
    keys: { accessKey: "AKIA", secretKey: "quite secret" },
  });
  expect(set.secrets.redact("is quite secret")).toBe("is ***");
});
