import { z } from "zod";
import type { Path } from "./problems.ts";
import { StrategyFile } from "./schema.ts";

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** The JSON Schema of `handled.yaml` as it is written (before defaults and conversions), for editors. Draft 7, which all of them know. */
export function strategyJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(StrategyFile, { io: "input", target: "draft-7" });
  return { title: "Handled strategy", description: "The backup strategy in handled.yaml", ...schema };
}

/** The part of a JSON Schema that describes the value at a path, or undefined where none is allowed. */
export function schemaAt(schema: JsonSchema, path: Path): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>((current, step) => {
    if (current === undefined) return undefined;
    if (typeof step === "number") return asSchema(current.items);
    const known = current.properties ?? {};
    return asSchema(Object.hasOwn(known, step) ? known[String(step)] : current.additionalProperties);
  }, schema);
}

/** The schema among the things that JSON Schema allows in its place (booleans, lists of schemas). */
export function asSchema(schema: unknown): JsonSchema | undefined {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema)
    ? (schema as JsonSchema)
    : undefined;
}
