import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";

/**
 * A text of the strategy whose `${NAME}` are not replaced yet, so that a command which does not need the value also
 * works where the variable is not set. `resolveTemplate` makes the text of it.
 */
export interface Template {
  readonly text: string;
  /** `/etc/handled/handled.yaml:12:10`, for messages. */
  readonly where: string;
}

/** One `${NAME}` or `${NAME:-fallback}`. */
interface Reference {
  readonly name: string;
  readonly fallback: string | undefined;
}

type Pieces = readonly (string | Reference)[];

type Parsed = { readonly pieces: Pieces } | { readonly broken: string };

// `$${` first: it is the escape. A lone `${` comes last and is a mistake.
const TOKEN = /\$\$\{|\$\{([A-Za-z_]\w*)(:-[^}]*)?\}|\$\{/g;
const SECRET_NAME = /PASSWORD|SECRET|TOKEN|KEY/i;
const BROKEN =
  "has a `${` that begins no reference: write `${NAME}` or `${NAME:-default}`, and `$${` for a literal `${`";

/** Takes a text apart at its `${…}`; `$${` stands for a literal `${`. */
export function parseReferences(text: string): Parsed {
  const pieces: (string | Reference)[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, name, fallback] = match;
    pieces.push(text.slice(end, match.index));
    end = match.index + token.length;
    if (token === "$${") pieces.push("${");
    else if (name === undefined || fallback?.includes("${") === true) return { broken: BROKEN };
    else pieces.push({ name, fallback: fallback?.slice(2) });
  }
  pieces.push(text.slice(end));
  return { pieces };
}

/** Whether the text has at least one well-formed reference. */
export function hasReferences(text: string): boolean {
  const parsed = parseReferences(text);
  return "pieces" in parsed && parsed.pieces.some((piece) => typeof piece !== "string");
}

/** The variables that a text takes from the environment; none where it is not well-formed. */
export function variablesOf(text: string): string[] {
  const parsed = parseReferences(text);
  return "pieces" in parsed
    ? parsed.pieces.flatMap((piece) => (typeof piece === "string" ? [] : [piece.name]))
    : [];
}

/** What the text itself contains, without what comes from the environment: fallbacks count, variables do not. */
export function literalPart(text: string): string {
  const parsed = parseReferences(text);
  if ("broken" in parsed) return text;
  return parsed.pieces.map((piece) => (typeof piece === "string" ? piece : (piece.fallback ?? ""))).join("");
}

/** The text as it must be written so that it stays as it is. */
export function escapeReferences(text: string): string {
  // A function, because `$$` in a replacement text stands for a single `$`.
  return text.replaceAll("${", () => "$${");
}

/**
 * Replaces references by values of the environment; as in a shell, a fallback also stands in for an empty value.
 * Values of variables whose name speaks of a secret are registered as such. Gives the text, or what is wrong.
 */
export function interpolate(runtime: Runtime, text: string): { text: string } | { problem: string } {
  const parsed = parseReferences(text);
  if ("broken" in parsed) return { problem: parsed.broken };
  const values = parsed.pieces.map((piece) => (typeof piece === "string" ? piece : lookUp(runtime, piece)));
  const missing = parsed.pieces.find((_, index) => values[index] === undefined);
  if (missing !== undefined && typeof missing !== "string")
    return { problem: `needs the environment variable \`${missing.name}\`, which is not set` };
  return { text: values.join("") };
}

function lookUp(runtime: Runtime, { name, fallback }: Reference): string | undefined {
  const value = Object.hasOwn(runtime.env, name) ? runtime.env[name] : undefined;
  if (SECRET_NAME.test(name)) runtime.secrets.add(value);
  if (fallback !== undefined && (value === undefined || value === "")) return fallback;
  return value;
}

/** The template's text with the environment's values. Fails with `strategy_invalid` when a variable is not set. */
export function resolveTemplate(runtime: Runtime, template: Template): string {
  const result = interpolate(runtime, template.text);
  if ("text" in result) return result.text;
  throw new AppError("strategy_invalid", `strategy ${template.where}: the value ${result.problem}`, {
    hint: "set the variable before the command: where `handled init` wrote `handled.env` beside the strategy, with `set -a; . ./handled.env; set +a`; cron and systemd do not read the profile of your shell",
  });
}
