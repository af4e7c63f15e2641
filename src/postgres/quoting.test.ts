import fc from "fast-check";
import { expect, test } from "vitest";
import { clusterUrl } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { connect, quoteIdentifier, quoteLiteral, quoteName } from "./session.ts";

test("names and texts come back from the server as they were, whatever standard_conforming_strings says", async () => {
  const runtime = testRuntime();
  const settings = await resolveConnection(runtime, clusterUrl(), noAbort());
  await using session = await connect(runtime, settings, noAbort());
  const text = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: fc.constantFrom("'", '"', "\\", "$", ";", "-", "\n", "%", "é") }),
  );
  for (const standard of ["on", "off"]) {
    await session.query(`SET standard_conforming_strings = ${standard}`);
    await fc.assert(
      fc.asyncProperty(
        text.filter((value) => !value.includes("\0")),
        async (value) => {
          // A name is cut at 63 bytes by the server and may not be empty.
          const name = `n${Array.from(value).slice(0, 10).join("")}`;
          const sql = `SELECT ${quoteLiteral(value)}::text AS ${quoteIdentifier(name)}`;
          expect(await session.query(sql)).toEqual([{ [name]: value }]);
        },
      ),
      { numRuns: 100 },
    );
  }
});

test("a qualified name is quoted part by part", () => {
  expect(quoteName("a.b", 'c"d')).toBe('"a.b"."c""d"');
});

test("a zero byte is refused, because the server would not see what follows it", () => {
  expect(() => quoteIdentifier("a\0b")).toThrow("zero byte");
  expect(() => quoteLiteral("a\0b")).toThrow("zero byte");
});
