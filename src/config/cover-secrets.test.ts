import { expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { coverSecrets } from "./cover-secrets.ts";
import { parseStrategy } from "./load.ts";

const covered = (text: string): string =>
  coverSecrets(text, parseStrategy(makeRuntime({ env: {} }), text, "/handled.yaml"));

const WITH_SECRETS = `version: 1
repositories:
  bucket: { url: "s3://b?endpoint=https://store.example.com&region=x", accessKey: some, secretKey: verysecretkey }
  sealed: { url: "s3://c?endpoint=https://store.example.com&region=x", accessKey: some, secretKey: "\${SECRET_KEY}" }
databases:
  data: { url: "host=db password='very secret'", repository: bucket }
  other: { url: "postgresql://app:\${PASSWORD}@db/other", repository: sealed }
notify:
  channels:
    team: { kind: slack, url: "https://hooks.example.com/very/secret" } # ours
    desk: { kind: webhook, url: "https://desk.example.com", secret: verysecret-of-the-desk }
`;

test("no secret that is written in a strategy is shown; what names a variable is, and all else", () => {
  const shown = covered(WITH_SECRETS);
  expect(shown).not.toMatch(/very/);
  expect(shown.split("\n")).toHaveLength(WITH_SECRETS.split("\n").length);
  for (const kept of ["${SECRET_KEY}", "${PASSWORD}", "# ours", "https://desk.example.com"])
    expect(shown).toContain(kept);
});

test("one that is written otherwise than it is read is shown nowhere", () => {
  const odd = WITH_SECRETS.replace("secretKey: verysecretkey", 'secretKey: "very\\x73ecretkey"');
  expect(() => covered(odd)).toThrow(expect.objectContaining({ code: "not_allowed" }));
});
