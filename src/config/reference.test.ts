import { expect, test } from "vitest";
import { makeRuntime } from "../lib/runtime.ts";
import { parseStrategy } from "./load.ts";
import { asSchema, type JsonSchema, schemaAt, strategyJsonSchema } from "./json-schema.ts";
import { strategyReference } from "./reference.ts";

/** Every property in a schema, with its path. */
function properties(schema: JsonSchema, path: string[] = []): { path: string[]; schema: JsonSchema }[] {
  const named = Object.entries(schema.properties ?? {}).map(([key, inner]) => ({ key, inner }));
  const others = [
    { key: "NAME", inner: schema.additionalProperties },
    { key: "[]", inner: schema.items },
  ];
  return [...named, ...others].flatMap(({ key, inner }) => {
    const found = asSchema(inner);
    return found === undefined
      ? []
      : [{ path: [...path, key], schema: found }, ...properties(found, [...path, key])];
  });
}

test("the JSON Schema describes the file as it is written", () => {
  const schema = strategyJsonSchema();
  expect(schema.$schema).toBe("http://json-schema.org/draft-07/schema#");
  expect(schema.required).toEqual(["version", "repositories", "databases"]);
  expect(schemaAt(schema, ["databases", "any", "backups", 0, "format"])).toMatchObject({
    type: "string",
    enum: ["plain", "custom"],
  });
  expect(schemaAt(schema, ["databases", "any", "lockTimeout"])).toMatchObject({
    type: "string",
    default: "30s",
  });
  expect(schemaAt(schema, ["databases", "any", "backups"])).toMatchObject({ default: [] });
  expect(schemaAt(schema, ["databases", "any", "nope"])).toBeUndefined();
  const pattern = new RegExp(schemaAt(schema, ["recovery", "keepReplaced"])?.pattern ?? "missing");
  expect(["7d", "1h 30m", "90s", "24"].map((text) => pattern.test(text))).toEqual([true, true, true, false]);
});

test("every block refuses unknown keys and every key says what it means", () => {
  const all = properties(strategyJsonSchema());
  expect(all.length).toBeGreaterThan(50);
  for (const { path, schema } of all) {
    if (schema.properties !== undefined) expect(schema.additionalProperties, path.join(".")).toBe(false);
    const isEntry = path.at(-1) === "NAME" || path.at(-1) === "[]";
    if (!isEntry) expect(schema.description, path.join(".")).toMatch(/\S/);
  }
});

test("the reference has a row for every key, and links that lead somewhere", () => {
  const reference = strategyReference();
  const keys = properties(strategyJsonSchema()).flatMap(({ path }) => path.at(-1) ?? []);
  for (const key of keys.filter((name) => name !== "NAME" && name !== "[]"))
    expect(reference).toContain(`\n| \`${key}\` | `);
  const anchors = [...reference.matchAll(/^## (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z -]/g, "")
      .replaceAll(" ", "-"),
  );
  const links = [...reference.matchAll(/\]\(#([^)]*)\)/g)].map(([, link]) => link);
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) expect(anchors).toContain(link);
  expect(reference).not.toContain("undefined");
});

test("the example in the reference is a good strategy", () => {
  const [, yaml = ""] = /```yaml\n([^]*?)```/.exec(strategyReference()) ?? [];
  expect(parseStrategy(makeRuntime(), yaml, "/handled.yaml").databases.map(({ name }) => name)).toEqual([
    "primary",
    "data",
  ]);
});
