import type { z } from "zod";
import { nearest } from "../lib/text.ts";
import { DURATION_TITLE } from "./durations.ts";
import { type JsonSchema, schemaAt } from "./json-schema.ts";
import { formatPath, type Path, where } from "./problems.ts";

/** A problem before it has a line. */
export interface Finding {
  readonly path: Path;
  readonly part: "key" | "value";
  readonly message: string;
  readonly isUnknownKey?: boolean;
  /** For an unknown key: the one that was meant, most likely. */
  readonly suggestion?: string | undefined;
}

type Issue = z.core.$ZodIssue;

/** Zod's issues in the words of somebody who reads the strategy. `value` is what was checked, `schema` its JSON Schema. */
export function describeIssues(issues: readonly Issue[], value: unknown, schema: JsonSchema): Finding[] {
  const findings = issues.flatMap((issue) => describeIssue(issue, value, schema));
  const misspelled = findings.filter(({ suggestion }) => suggestion !== undefined);
  const parents = misspelled.map(({ path }) => JSON.stringify(path.slice(0, -1)));
  const meant = misspelled.map(({ path, suggestion }) => JSON.stringify([...path.slice(0, -1), suggestion]));
  // `databse:` is the reason why `databases` is missing, and `day:` why `keep` has no rule; saying it once is enough.
  const isExplained = ({ path, suggestion }: Finding): boolean =>
    suggestion === undefined && [...parents, ...meant].includes(JSON.stringify(path));
  return findings.filter((finding) => !isExplained(finding));
}

function describeIssue(issue: Issue, root: unknown, schema: JsonSchema): Finding[] {
  const { path } = issue;
  const say = (message: string): Finding[] => [
    {
      path,
      part: "value",
      message: path.length === 0 ? `the strategy ${message}` : `${formatPath(path)} ${message}`,
    },
  ];
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => unknownKey(path, key, schema));
  const received = valueAt(root, path);
  const key = path.at(-1);
  if (received === undefined && key !== undefined)
    return [{ path, part: "key", message: `missing key \`${String(key)}\` in ${where(path.slice(0, -1))}` }];
  if (received === null) return say("is empty: give it a value or remove the line");
  switch (issue.code) {
    case "invalid_type":
      return say(wrongType(issue.expected, received, schemaAt(schema, path)));
    case "invalid_value":
      return say(wrongChoice(issue.values.map(String), received));
    case "too_small":
      return say(tooSmall(issue.origin, String(issue.minimum), received));
    case "too_big":
      return say(`must be at most ${String(issue.maximum)}, not ${kindOf(received)}`);
    case "invalid_key":
      return [
        {
          path,
          part: "key",
          message: `the name ${formatPath(path)} ${issue.issues[0]?.message ?? "cannot be used"}`,
        },
      ];
    case "custom":
    case "invalid_format":
    case "invalid_element":
    case "invalid_union":
    case "not_multiple_of":
      return say(issue.message);
  }
}

function unknownKey(parent: Path, key: string, schema: JsonSchema): Finding {
  const known = Object.keys(schemaAt(schema, parent)?.properties ?? {});
  const suggestion = nearest(key, known);
  const help =
    suggestion === undefined ? `it may have ${known.join(", ")}` : `did you mean \`${suggestion}\`?`;
  const message = `unknown key \`${key}\` in ${where(parent)}; ${help}`;
  return { path: [...parent, key], part: "key", message, suggestion, isUnknownKey: true };
}

function wrongType(expected: string, received: unknown, schema: JsonSchema | undefined): string {
  const got = kindOf(received);
  if (schema?.title === DURATION_TITLE && typeof received === "number")
    return `must have a unit: \`${received}s\`, \`${received}m\`, \`${received}h\` or \`${received}d\``;
  switch (expected) {
    case "string":
      return typeof received === "object"
        ? `must be text, not ${got}`
        : `must be text, not ${got}: put it in quotes`;
    case "int":
    case "number":
      return `must be a whole number, not ${got}${typeof received === "string" ? ": write it without quotes" : ""}`;
    case "array":
      return `must be a list, not ${got}`;
    default:
      return `must be a block of keys, not ${got}`;
  }
}

function wrongChoice(choices: readonly string[], received: unknown): string {
  const quoted = choices.map((choice) => `\`${choice}\``);
  const list = quoted.length === 1 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  if (typeof received !== "string") return `must be ${list}, not ${kindOf(received)}`;
  if (choices.includes(received)) return `must be ${list} without quotes`;
  const similar = choices.length === 1 ? undefined : nearest(received, choices);
  return `must be ${list}, not \`${received}\`${similar === undefined ? "" : `; did you mean \`${similar}\`?`}`;
}

function tooSmall(origin: string, minimum: string, received: unknown): string {
  if (origin === "string") return "must not be empty";
  if (origin === "array") return "must not be an empty list";
  return `must be at least ${minimum}, not ${kindOf(received)}`;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "text";
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  if (typeof value === "boolean") return `\`${value}\``;
  return "a block of keys";
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    return (value as Record<PropertyKey, unknown>)[step];
  }, root);
}
