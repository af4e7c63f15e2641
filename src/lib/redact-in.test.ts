import fc from "fast-check";
import { expect, test } from "vitest";
import { redactIn } from "./redact-in.ts";

const redact = (text: string): string => text.replaceAll("a", "***");

test("it is what JSON would say of it, without what is secret", () => {
  const anything = fc.anything({ withDate: true, withMap: true, withSet: true, withNullPrototype: true });
  fc.assert(
    fc.property(anything, (value) => {
      const said = JSON.stringify(value, (_, part: unknown) =>
        typeof part === "string" ? redact(part) : part,
      );
      expect(JSON.stringify(redactIn(value, redact))).toBe(said);
    }),
  );
});

test("of something that says itself what it is as JSON, that is redacted", () => {
  const redacted = redactIn({ at: [new URL("postgresql://u:banana@h/d")] }, redact);
  expect(redacted).toEqual({ at: ["postgresql://u:b***n***n***@h/d"] });
});

test("what has nothing to redact is the very same", () => {
  const [plain, secret] = [{ list: [{ id: "x", of: null }] }, { id: "a" }];
  const redacted = redactIn({ plain, secret }, redact) as { plain: object; secret: object };
  expect(redacted).toEqual({ plain, secret: { id: "***" } });
  expect(redacted.plain).toBe(plain);
});
