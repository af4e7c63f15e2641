import { z } from "zod";
import { asSchema, type JsonSchema } from "../../src/config/json-schema.ts";
import { BackupJson, ErrorJson } from "../../src/json/common.ts";
import { ProgressEventJson } from "../../src/json/progress.ts";
import { OUTPUTS } from "../../src/cli/outputs.ts";
import { renderRows } from "./markdown.ts";

/** `docs/reference/json-output.md`: what each command prints with `--json`, made from the schemas of the output. */
export function jsonReference(): string {
  return `${[
    "# JSON output",
    "With `--json` a command prints its result as JSON, one object in one line, on standard output. Fields are added in " +
      "later versions, never renamed or given another meaning: ignore those that you do not know. Times are ISO 8601 in " +
      "UTC, durations are milliseconds, sizes are bytes. `a[].b` is the field `b` of each object in the list `a`.",
    "## Backup",
    "These fields describe a backup, in every command that prints one.",
    renderFields(jsonSchemaOf(BackupJson), []),
    ...OUTPUTS.flatMap(({ command, about, schema }) => [
      `## \`${command}\``,
      about,
      renderFields(jsonSchemaOf(schema), backupFields()),
    ]),
    "## Progress",
    "With `--progress json` every line on standard error is one of these objects, of every command; what cannot be said because the " +
      "options made no sense is words. `event` says which it is.",
    ...ProgressEventJson.options.map((event) => renderFields(jsonSchemaOf(event), [])),
    "## Errors",
    "A command that fails prints this on standard output, and the same in words on standard error.",
    renderFields(jsonSchemaOf(ErrorJson), []),
  ].join("\n\n")}\n`;
}

interface Field {
  readonly path: string;
  readonly type: string;
  readonly meaning: string;
}

function renderFields(schema: JsonSchema, common: readonly string[]): string {
  return renderRows(
    ["field", "type", "meaning"],
    fieldsOf(schema, "", common).map(({ path, type, meaning }) => [path, type, meaning]),
  );
}

/** The fields of an object, those of objects inside it after them. */
function fieldsOf(schema: JsonSchema, prefix: string, common: readonly string[]): Field[] {
  const properties = Object.entries(schema.properties ?? {});
  const hasCommon = common.length > 0 && common.every((key) => properties.some(([name]) => name === key));
  const own = properties.filter(([name]) => !hasCommon || !common.includes(name));
  const meaning = "those of a [backup](#backup)";
  return [
    ...(hasCommon ? [{ path: prefix === "" ? "…" : `\`${prefix.slice(0, -1)}\` …`, type: "", meaning }] : []),
    ...own.flatMap(([name, property]) => {
      const inner = asSchema(property) ?? {};
      const { schema: value, isNullable } = withoutNull(inner);
      const path = prefix + name;
      const type = `${typeOf(value)}${isNullable ? " or null" : ""}${schema.required?.includes(name) === true ? "" : ", optional"}`;
      const field = { path: `\`${path}\``, type, meaning: inner.description ?? value.description ?? "" };
      const item = value.type === "array" ? asSchema(value.items) : undefined;
      return [
        field,
        ...(item === undefined ? [] : fieldsOf(item, `${path}[].`, common)),
        ...(value.properties === undefined ? [] : fieldsOf(value, `${path}.`, common)),
      ];
    }),
  ];
}

/** Zod writes what may be null as a choice, or as a list of types. */
function withoutNull(schema: JsonSchema): { schema: JsonSchema; isNullable: boolean } {
  const types: readonly unknown[] = Array.isArray(schema.type) ? schema.type : [];
  const [type] = types.filter((each) => each !== "null");
  if (types.includes("null") && isTypeName(type)) return { schema: { ...schema, type }, isNullable: true };
  const options = (schema.anyOf ?? []).map((option) => asSchema(option) ?? {});
  const [only] = options.filter((option) => option.type !== "null");
  return only === undefined ? { schema, isNullable: false } : { schema: only, isNullable: true };
}

function isTypeName(type: unknown): type is "string" | "integer" | "boolean" {
  return type === "string" || type === "integer" || type === "boolean";
}

function typeOf(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((choice) => `\`${String(choice)}\``).join(", ");
  if (schema.format === "date-time") return "time";
  if (schema.type === "integer") return "whole number";
  if (schema.type === "string") return "text";
  if (schema.type === "array") {
    const item = asSchema(schema.items) ?? {};
    return item.properties === undefined ? `list of ${typeOf(item)}` : "list of objects";
  }
  return typeof schema.type === "string" ? schema.type : "any value";
}

function backupFields(): string[] {
  return Object.keys(jsonSchemaOf(BackupJson).properties ?? {});
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: "output", reused: "inline" });
}
