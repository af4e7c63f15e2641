import fc from "fast-check";
import { expect, test } from "vitest";
import { coverArguments, Secrets } from "./secrets.ts";

test("a secret is taken out of text, of URLs and of JSON, whatever characters it has", () => {
  // Asterisks could be part of the replacement.
  const secret = fc.string({ minLength: 4, unit: "grapheme" }).filter((text) => !text.includes("*"));
  const around = fc.constantFrom("", " ", '"', "in ", " out");
  fc.assert(
    fc.property(secret, around, around, (value, before, after) => {
      fc.pre(value.isWellFormed());
      const secrets = new Secrets();
      secrets.add(value);
      const forms = [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)];
      for (const form of forms) {
        expect(secrets.redact(`${before}${form}${after}`)).not.toContain(form);
        expect(JSON.stringify({ text: secrets.redact(form) })).not.toContain(form);
      }
    }),
  );
});

test("the password of a URL is taken out though nobody knew of it; very short secrets would blank out words", () => {
  const secrets = new Secrets();
  secrets.add("or");
  secrets.add(undefined);
  expect(secrets.redact("connect to postgresql://ada:pass@host/shop or not")).toBe(
    "connect to postgresql://ada:***@host/shop or not",
  );
});

test.each([
  [["backup", "--url", "postgresql://ada:pass@host/shop"], "backup --url postgresql://ada:***@host/shop"],
  [["--url=postgres://ada:p@ss/word@h:1,i:2/shop"], "--url=postgres://ada:***@h:1,i:2/shop"],
  [["host=h password='it''s' user=ada"], "host=h password=***'s' user=ada"],
  [["host=h password = 'it\\'s' user=ada"], "host=h password = *** user=ada"],
  [
    ["postgresql://h/shop?user=ada&password=pass&sslmode=require"],
    "postgresql://h/shop?user=ada&password=***&sslmode=require",
  ],
])("%j is shown as %j", (args, shown) => {
  expect(coverArguments(args)).toBe(shown);
});

test("a command line without a password is left alone", () => {
  expect(
    coverArguments(["node", "main.ts", "backup", "--url", "postgresql://ada@host/shop"]),
  ).toBeUndefined();
  expect(coverArguments(["list", "--repository", "/a:b@c"])).toBeUndefined();
});
