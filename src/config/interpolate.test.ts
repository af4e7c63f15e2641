import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { escapeReferences, interpolate, literalPart, resolveTemplate } from "./interpolate.ts";

const runtime = makeRuntime({ env: { HOST: "db.example", EMPTY: "" } });

describe("interpolate", () => {
  test.each([
    ["plain", "plain"],
    ["postgresql://${HOST}/x", "postgresql://db.example/x"],
    ["${HOST}${HOST}", "db.exampledb.example"],
    ["${PORT:-5432}", "5432"],
    ["${PORT:-}", ""],
    ["${EMPTY:-full}", "full"],
    ["[${EMPTY}]", "[]"],
    ["$${HOST}", "${HOST}"],
    ["$HOST costs $5 {x}", "$HOST costs $5 {x}"],
    ["${HOST:-a}b}", "db.exampleb}"],
  ])("%s gives %s", (text, expected) => {
    expect(interpolate(runtime, text)).toEqual({ text: expected });
  });

  test("names the variable that is not set", () => {
    expect(interpolate(runtime, "${HOST}:${PORT}")).toEqual({
      problem: "needs the environment variable `PORT`, which is not set",
    });
  });

  test.each(["${", "${}", "${1X}", "${A-B}", "${A:?why}", "${A:-${B}}", "${ A }"])(
    "%s is no reference",
    (text) => {
      expect(interpolate(runtime, text)).toMatchObject({ problem: expect.stringContaining("`$${`") });
    },
  );

  test("names that every object has are not taken for variables", () => {
    expect(interpolate(runtime, "${constructor}")).toHaveProperty("problem");
  });

  test("a value is not interpolated again", () => {
    const nested = makeRuntime({ env: { A: "${B}", B: "no" } });
    expect(interpolate(nested, "${A}")).toEqual({ text: "${B}" });
  });

  test("values of variables with a telling name become secrets", () => {
    const own = makeRuntime({ env: { DB_PASSWORD: "hunter22", API_TOKEN: "tok-123", HOST: "visible" } });
    interpolate(own, "${DB_PASSWORD} ${API_TOKEN} ${HOST}");
    expect(own.secrets.redact("hunter22 tok-123 visible")).toBe("*** *** visible");
  });

  test("any text survives being escaped", () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[${}A:-]*$/));
    fc.assert(
      fc.property(text, (literal) => {
        expect(interpolate(runtime, escapeReferences(literal))).toEqual({ text: literal });
      }),
    );
  });
});

test("literalPart keeps fallbacks and drops variables", () => {
  expect(literalPart("a${X}b${Y:-c}$${")).toBe("abc${");
});

test("resolveTemplate names variable, file and line", () => {
  const template = { text: "${PRIMARY_DATABASE_URL}", where: "/etc/handled/handled.yaml:7:10" };
  expect(() => resolveTemplate(runtime, template)).toThrow(
    expect.objectContaining({
      code: "strategy_invalid",
      message:
        "strategy /etc/handled/handled.yaml:7:10: the value needs the environment variable `PRIMARY_DATABASE_URL`, which is not set",
      hint: expect.stringContaining("cron"),
    }),
  );
});
