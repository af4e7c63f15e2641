import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DumpFacts, DumpInspector } from "./inspect-dump.ts";

const END = "--\n-- PostgreSQL database dump complete\n--\n\n";

function inspect(
  text: string | Buffer,
  chunkSizes: readonly number[] = [Number.POSITIVE_INFINITY],
): DumpFacts {
  const bytes = Buffer.from(text as string);
  const inspector = new DumpInspector();
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const size = chunkSizes[n % chunkSizes.length] ?? 1;
    // A copy, as streams reuse their memory.
    inspector.write(Buffer.from(bytes.subarray(at, at + size)));
    at += size;
  }
  return inspector.end();
}

describe("rows", () => {
  test("are counted by table, whatever is in them", () => {
    const facts = inspect(`COPY public.a (x) FROM stdin;
--
\\\\.
-- PostgreSQL database dump complete
COPY public.b (x) FROM stdin;
\\connect other

$$ ' " /*
\\.


COPY public.empty (x) FROM stdin;
\\.

COPY public.none  FROM stdin;


\\.
${END}`);
    expect(facts.tables).toEqual([
      { schema: "public", name: "a", rows: 7, bytes: 3 + 4 + 37 + 30 + 15 + 1 + 10 },
      { schema: "public", name: "empty", rows: 0, bytes: 0 },
      { schema: "public", name: "none", rows: 2, bytes: 2 },
    ]);
    expect(facts).toMatchObject({ complete: true, refusals: [], inserts: 0 });
  });

  test("end only at a line that is exactly the mark", () => {
    const facts = inspect("COPY t (x) FROM stdin;\n\\.x\n \\.\n\\..\n\\. \nx\\.\n\\.\r\n" + END);
    expect(facts.tables).toEqual([{ schema: "public", name: "t", rows: 5, bytes: 4 + 4 + 4 + 4 + 4 }]);
    expect(facts.complete).toBe(true);
  });

  test("of a table with several blocks are added up", () => {
    const block = "COPY public.t (x) FROM stdin;\n1\n2\n\\.\n";
    expect(inspect(block + block + END).tables).toEqual([{ schema: "public", name: "t", rows: 4, bytes: 8 }]);
  });

  test("of a partition loaded through its root count for the partition", () => {
    const facts = inspect(`--
-- Data for Name: part 1; Type: TABLE DATA; Schema: s; Owner: me
--

-- load via partition root s.root
COPY s.root (x) FROM stdin;
1
\\.
--
-- Data for Name: other; Type: TABLE DATA; Schema: s; Owner: me
--

COPY s.other (x) FROM stdin;
\\.
${END}`);
    expect(facts.tables.map(({ name, rows }) => [name, rows])).toEqual([
      ["part 1", 1],
      ["other", 0],
    ]);
  });

  test("of old dumps belong to the schema of the search path", () => {
    const facts = inspect(`SET search_path = "my schema", pg_catalog;\nCOPY t (x) FROM stdin;\n\\.\n${END}`);
    expect(facts.tables).toMatchObject([{ schema: "my schema", name: "t" }]);
  });
});

describe("names", () => {
  test("are read as SQL writes them", () => {
    const facts = inspect(`COPY "we""ird"."na.me" ("c (ol", "from") FROM stdin;\n1\n\\.\n
COPY "new\nline"."ta\nble; Type: TABLE DATA" (a) FROM stdin;\n\\.\n
COPY schön.straße (a) FROM stdin;\n\\.\n${END}`);
    expect(facts.tables.map(({ schema, name }) => [schema, name])).toEqual([
      ['we"ird', "na.me"],
      ["new\nline", "ta\nble; Type: TABLE DATA"],
      ["schön", "straße"],
    ]);
  });

  test("are read in the encoding of the dump", () => {
    const text = `SET client_encoding = 'LATIN1';\nCOPY public."straße" (a) FROM stdin;\n\\.\n${END}`;
    expect(inspect(Buffer.from(text, "latin1")).tables).toMatchObject([{ name: "straße" }]);
    const japanese = Buffer.concat([
      Buffer.from("SET client_encoding = 'EUC_JP';\nCOPY public."),
      Buffer.from([0xc9, 0xbd]),
      Buffer.from(` (a) FROM stdin;\n\\.\n${END}`),
    ]);
    expect(inspect(japanese).tables).toMatchObject([{ name: "表" }]);
  });
});

describe("text that looks like commands", () => {
  const evil = `
--
-- Data for Name: evil; Type: TABLE DATA; Schema: public; Owner: me
--

COPY public.evil (a) FROM stdin;
1
\\.
\\connect other
ALTER TABLE x OWNER TO evil;
-- PostgreSQL database dump complete
`;
  test.each([
    ["a function's body", `CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $_$${evil}$$ $x$ $_$;`],
    ["a body in plain dollars", `CREATE FUNCTION f() AS $$${evil}$$;`],
    ["a string", `COMMENT ON TABLE t IS 'it''s${evil}';`],
    ["a string with escapes", `COMMENT ON TABLE t IS E'a\\'b\\\\\\'${evil}';`],
    ["a quoted name", `CREATE TABLE "it""s${evil}" (a int);`],
    ["a block comment", `/* a /* nested */${evil}*/ SELECT 1;`],
    [
      "an SQL function's body",
      "CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN b END; copy x from stdin; END;",
    ],
    ["parentheses", "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; copy x from stdin; );"],
  ])("is left alone inside %s", (_, sql) => {
    const facts = inspect(`${sql}\nCOPY public.real (a) FROM stdin;\n1\n\\.\n${END}`);
    expect(facts.tables).toEqual([{ schema: "public", name: "real", rows: 1, bytes: 2 }]);
    expect(facts).toMatchObject({ complete: true, refusals: [], roles: [] });
  });

  test("is taken for what it is when backslashes escape in plain strings", () => {
    const facts = inspect(`SET standard_conforming_strings = off;\nSELECT 'a\\'; \\! rm\\'';\n${END}`);
    expect(facts).toMatchObject({ complete: true, refusals: [] });
    expect(inspect(`SELECT 'a\\'; \\! rm\n${END}`).refusals).toEqual(["\\! rm"]);
  });
});

describe("completeness", () => {
  const dump = `CREATE TABLE t (a text);\nCOPY t (a) FROM stdin;\nx\n\\.\n`;

  test("takes the end marker, outside of everything", () => {
    expect(inspect(dump + END).complete).toBe(true);
    expect(inspect(dump).complete).toBe(false);
    expect(inspect("").complete).toBe(false);
    expect(inspect(`${dump}SELECT 1;\n${END}SELECT 2;\n`).complete).toBe(false);
    expect(inspect(`${dump}${END}SELECT 2`).complete).toBe(false);
    expect(inspect(`${dump}SELECT 'x\n${END}`).complete).toBe(false);
    expect(inspect(`COPY t (a) FROM stdin;\n${END}`).complete).toBe(false);
  });

  test("takes the end of a restriction, with its own key", () => {
    expect(inspect(`\\restrict Key1\n${dump}${END}\\unrestrict Key1\n`)).toMatchObject({
      complete: true,
      restricted: true,
    });
    expect(inspect(`\\restrict Key1\n${dump}${END}\\unrestrict Key1`).complete).toBe(true);
    expect(inspect(`\\restrict Key1\n${dump}${END}\\unrestrict Ke`).complete).toBe(false);
    expect(inspect(`\\restrict Key1\n${dump}${END}`).complete).toBe(false);
  });

  test("is found wanting at every cut before the marker", () => {
    const whole = `\\restrict Key1\n${dump}${END}\\unrestrict Key1\n`;
    const enough = whole.indexOf("\\unrestrict Key1") + "\\unrestrict Key1".length;
    for (let length = 0; length < enough; length += 1) {
      expect(inspect(whole.slice(0, length)).complete, String(length)).toBe(false);
    }
  });
});

test.each([
  ["\\connect other", "\\connect other"],
  ["SELECT 1 \\c other", "\\c other"],
  ["\\! rm -rf /", "\\! rm -rf /"],
  ["\\copy t from 'x'", "\\copy t from 'x'"],
  ["\\restrict a\n\\restrict b", "\\restrict b"],
  ["\\unrestrict a", "\\unrestrict a"],
  ["COPY t (a) FROM stdin; \\! x\n\\.", "text behind `COPY … FROM stdin;`"],
])("refuses %j", (text, refusal) => {
  expect(inspect(`${text}\n${END}`).refusals).toEqual([refusal]);
});

test("collects roles, extensions and schemas", () => {
  const facts = inspect(`
CREATE SCHEMA "my schema";
CREATE SCHEMA IF NOT EXISTS other AUTHORIZATION "o'wner";
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;
ALTER TABLE public.t OWNER TO "we""ird role";
ALTER FUNCTION public.f(a text, "OWNER TO" integer) OWNER TO fn;
GRANT SELECT(a,b),INSERT ON TABLE public.t TO bob WITH GRANT OPTION;
GRANT ALL ON SCHEMA x TO PUBLIC;
GRANT ALL ON SCHEMA x TO GROUP staff, "public";
REVOKE ALL ON TABLE public."to" FROM denied;
ALTER DEFAULT PRIVILEGES FOR ROLE giver IN SCHEMA public GRANT SELECT ON TABLES  TO taker;
ALTER DEFAULT PRIVILEGES FOR ROLE giver2 REVOKE ALL ON TABLES  FROM taker2;
CREATE POLICY p ON public.t FOR SELECT TO reader, CURRENT_USER USING ((a > 0));
CREATE USER MAPPING FOR mapped SERVER s;
SET SESSION AUTHORIZATION 'actor';
SET SESSION AUTHORIZATION DEFAULT;
ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x';
CREATE VIEW v AS SELECT a FROM notarole;
${END}`);
  expect(facts.roles).toEqual(
    [
      'we"ird role',
      "fn",
      "bob",
      "staff",
      "public",
      "denied",
      "giver",
      "taker",
      "giver2",
      "taker2",
      "reader",
      "mapped",
      "actor",
      "o'wner",
    ].toSorted(),
  );
  expect(facts.extensions).toEqual(["uuid-ossp"]);
  expect(facts.schemas).toEqual(["my schema", "other"]);
});

test("counts INSERT statements", () => {
  const facts = inspect(`INSERT INTO t VALUES (1, 'a;b');\nINSERT INTO t VALUES\n\t(2, E'\\'');\n${END}`);
  expect(facts).toMatchObject({ inserts: 2, tables: [], complete: true });
});

describe("any chunking", () => {
  const name = fc.oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }).filter((text) => !text.includes("\0")),
    fc.constantFrom(
      "t",
      'we"ird',
      "na.me",
      "new\nline",
      " FROM stdin;",
      "--",
      "\\.",
      "$$",
      "it's",
      "é".repeat(31),
    ),
  );
  const row = fc.oneof(
    fc.constantFrom(
      "",
      "--",
      "\\\\.",
      "\\.x",
      "x\\.",
      "COPY public.t (a) FROM stdin;",
      "\\N\t\\N",
      "$$",
      "'",
      '"',
      "/*",
      "\\connect x",
    ),
    fc
      .string({ maxLength: 30 })
      .map((text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r")),
  );
  const filler = fc.constantFrom(
    "CREATE FUNCTION f() AS $a$ $$ ; \\! $b$a$;\n",
    "COMMENT ON TABLE x IS 'it''s;\n\\connect y\n';\n",
    "SELECT E'\\'\\\\';\n",
    "/* ; /* ' */ */\n",
    "-- Name: x; Type: TABLE\n",
    "CREATE FUNCTION g() BEGIN ATOMIC SELECT 1; END;\n",
    'ALTER TABLE "a;b" OWNER TO "o;wner";\n',
    "SELECT a - b / c $1;\n",
  );
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const table = fc.record({
    schema: name,
    table: name,
    rows: fc.array(row, { maxLength: 8 }),
    before: fc.array(filler, { maxLength: 3 }),
  });

  test("gives the facts that were written", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(table, { maxLength: 4, selector: (one) => JSON.stringify([one.schema, one.table]) }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        (tables, sizes) => {
          const text = tables
            .map((one) => {
              const target = `${quoted(one.schema)}.${quoted(one.table)}`;
              const rows = one.rows.map((line) => `${line}\n`).join("");
              return `${one.before.join("")}COPY ${target} (a) FROM stdin;\n${rows}\\.\n\n`;
            })
            .join("");
          const facts = inspect(text + END, sizes);
          expect(facts).toMatchObject({ complete: true, refusals: [], bytes: Buffer.byteLength(text + END) });
          expect(facts.tables).toEqual(
            tables.map((one) => ({
              // Lone surrogates have no UTF-8 form.
              schema: one.schema.toWellFormed(),
              name: one.table.toWellFormed(),
              rows: one.rows.length,
              bytes: one.rows.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0),
            })),
          );
          expect(inspect(text + END)).toEqual(facts);
        },
      ),
      { numRuns: 300 },
    );
  });
});
