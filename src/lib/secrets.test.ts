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

test("no known secret survives, however many there are, in whatever form, and where they overlap", () => {
  const value = fc.string({
    minLength: 4,
    maxLength: 12,
    unit: fc.constantFrom("a", "b", "%", "/", "@", '"', " ", "é"),
  });
  const form = fc.constantFrom<(text: string) => string>(
    (text) => text,
    encodeURIComponent,
    (text) => encodeURIComponent(text).toLowerCase(),
    (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
    (text) => JSON.stringify(text).slice(1, -1),
    (text) => `postgresql://ada:${text}@host/shop`,
  );
  const piece = fc.tuple(fc.nat(), form, fc.constantFrom("", " ", "a", "ab", "\n"), fc.nat(6));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), fc.array(piece), (values, pieces) => {
      const secrets = new Secrets();
      for (const one of values) secrets.add(one);
      const text = pieces
        .map(
          ([n, encode, between, cut]) =>
            `${between}${encode((values[n % values.length] ?? "").slice(cut % 3))}`,
        )
        .join("");
      const shown = secrets.redact(text);
      for (const one of values) {
        expect(shown).not.toContain(one);
        expect(shown).not.toContain(encodeURIComponent(one));
      }
      // What has no secret in it any more is not changed by a further look.
      expect(secrets.redact(shown).replaceAll(/\*{3,}/g, "***")).toBe(shown.replaceAll(/\*{3,}/g, "***"));
    }),
    { numRuns: 500 },
  );
});

test("of a password that no URL may have, but for a part that is known, no other part stays", () => {
  const secrets = new Secrets();
  secrets.add(" open");
  expect(secrets.redact("postgresql://ada: open@sesame@host/shop")).toBe("postgresql://ada:***@host/shop");
});

test("a secret within another, or overlapping another, leaves no end of either", () => {
  const secrets = new Secrets();
  for (const one of ["hunter", "hunter22", "22tail", "aaaa"]) secrets.add(one);
  expect(secrets.redact("x hunter22 y")).toBe("x *** y");
  expect(secrets.redact("x hunter22tail y")).toBe("x *** y");
  expect(secrets.redact("x aaaaaa y")).toBe("x *** y");
  expect(secrets.redact("hunter hunter22")).toBe("*** ***");
});

test.each([
  ["postgresql://ada:p@ss@host:5432/shop", "postgresql://ada:***@host:5432/shop"],
  ["postgresql://:pass@host", "postgresql://:***@host"],
  ["s3+https://key:p%40ss@host/a and http://u:v@w", "s3+https://key:***@host/a and http://u:***@w"],
  ["POSTGRES://A:B@h", "POSTGRES://A:***@h"],
  ["http://host:80/path?mail=a@b", "http://host:80/path?mail=a@b"],
  ["postgresql://ada@host:5432/shop", "postgresql://ada@host:5432/shop"],
])("the URL %s is shown as %s", (url, shown) => {
  expect(new Secrets().redact(url)).toBe(shown);
});

test("a long text without a secret is searched in no time, and comes back as it was", () => {
  const secrets = new Secrets();
  secrets.add("aaaaaaab");
  const text = `${"a".repeat(300_000)} ${"://".repeat(1000)}`;
  const started = performance.now();
  expect(secrets.redact(text)).toBe(text);
  expect(performance.now() - started).toBeLessThan(2000);
});

test("a secret that is no valid text is kept out all the same", () => {
  const secrets = new Secrets();
  secrets.add("pass\ud800word");
  expect(secrets.redact(`is ${"pass\ud800word".toWellFormed()}`)).toBe("is ***");
});
