import { expect, test } from "vitest";
import { compareDefinitions, countDefinitions, splitDefinitions } from "./definitions.ts";

const entry = (name: string, type: string, body: string, owner = "ada"): string =>
  `--\n-- Name: ${name}; Type: ${type}; Schema: public; Owner: ${owner}\n--\n\n${body}\n\n`;
const HEAD = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n\n";
const END = "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n";
const SWITCH = "SET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\n";

const orders = entry("orders", "TABLE", "CREATE TABLE public.orders (\n    id integer\n);");
const add = (type: string): string =>
  entry(`add(${type})`, "FUNCTION", `CREATE FUNCTION public.add(${type}) AS $$ SET x = 1;\n$$;`);

test("definitions are the same in another order, with what pg_restore switches in between", () => {
  const one = splitDefinitions(HEAD + add("int") + SWITCH + orders + add("text") + END);
  const other = splitDefinitions(
    HEAD.replace("abc", "xyz") + SWITCH + orders + add("text") + add("int") + END,
  );
  expect(countDefinitions(one)).toBe(3);
  expect(compareDefinitions(one, other)).toEqual({ onlyFirst: [], onlySecond: [], changed: [] });
});

test("what is missing, added, changed or owned by another is named", () => {
  const one = splitDefinitions(HEAD + orders + add("int") + add("text") + END);
  const other = splitDefinitions(
    HEAD +
      orders.replace("Owner: ada", "Owner: bob") +
      add("int").replace("x = 1", "x = 2") +
      add("date") +
      END,
  );
  expect(compareDefinitions(one, other)).toEqual({
    onlyFirst: ["FUNCTION public.add(text)"],
    onlySecond: ["FUNCTION public.add(date)"],
    changed: ["TABLE public.orders", "FUNCTION public.add(int)"],
  });
});

test("a heading within a function's text hides no difference", () => {
  const sneaky = (n: number): string =>
    entry(
      "f()",
      "FUNCTION",
      `CREATE FUNCTION public.f() AS $$\n${entry("orders", "TABLE", `select ${n}`)}$$;`,
    );
  const one = splitDefinitions(HEAD + orders + sneaky(1) + END);
  const other = splitDefinitions(HEAD + orders + sneaky(2) + END);
  expect(compareDefinitions(one, other).changed).toEqual(["TABLE public.orders"]);
});

test("the access method of a table is the one that was switched to above it", () => {
  const to = (method: string): string => `SET default_table_access_method = ${method};\n\n`;
  const parts = entry(
    "parts",
    "TABLE",
    "CREATE TABLE public.parts (\n    id integer\n)\nPARTITION BY HASH (id);",
  );
  const items = orders.replaceAll("orders", "items");
  const heap = splitDefinitions(HEAD + to("heap") + orders + add("int") + items + parts + END);
  const some = splitDefinitions(
    HEAD + to("heap") + add("int") + to("other") + items + parts + to("heap") + orders + END,
  );
  expect(compareDefinitions(heap, some).changed).toEqual(["TABLE public.items"]);
  const moved = splitDefinitions(HEAD + to("other") + items + to("heap") + parts + orders + add("int") + END);
  expect(compareDefinitions(some, moved).changed).toEqual([]);
});
