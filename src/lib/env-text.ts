import { parseEnv } from "node:util";
import { AppError } from "../errors.ts";

/**
 * The text of a `.env` file with another value for one variable. Text is bytes (`latin1`), so that what is not UTF-8 stays
 * too. Quotes stay as they were where the new value can stand in them. Fails with `usage` when the line is missing, there
 * are several, or Node would not read exactly this value, and all others as before, from the result.
 * @param value a connection string, as JavaScript has it
 * @param path what errors name
 */
export function envWithValue(text: string, variable: string, value: string, path: string): string {
  const [found, another] = findValues(text, variable);
  if (found === undefined)
    throw new AppError("usage", `change ${path}: it has no line \`${variable}=…\``, {
      hint: `add the line \`${variable}=\` to it, or name the variable that the application reads`,
    });
  if (another !== undefined)
    throw new AppError("usage", `change ${path}: it has several lines \`${variable}=…\``, {
      hint: "programs differ in which one they take; remove all but one",
    });
  const before = readAs(text);
  if (before[variable] === value) return text;
  for (const quote of new Set([found.quote, "'", '"', "`"])) {
    if (!canHold(quote, value)) continue;
    const bytes = Buffer.from(`${quote}${value}${quote}`, "utf8").toString("latin1");
    const changed = text.slice(0, found.start) + bytes + text.slice(found.end);
    // Whatever the scan below makes of a strange file: what reads it has the last word.
    if (sameVariables(readAs(changed), { ...before, [variable]: value })) return changed;
  }
  throw new AppError("usage", `change ${path}: the value for ${variable} cannot be written into it`, {
    hint: "give the connection string as a URL, with percent codes: `%27` for a quote",
  });
}

/** The variable's value in a `.env` file that has exactly one line for it. Fails as `envWithValue` does. */
export function envValue(text: string, variable: string, path: string): string {
  const value = readAs(text)[variable] ?? "";
  envWithValue(text, variable, value, path);
  return value;
}

function readAs(text: string): NodeJS.Dict<string> {
  return parseEnv(Buffer.from(text, "latin1").toString("utf8"));
}

function sameVariables(a: NodeJS.Dict<string>, b: NodeJS.Dict<string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

/** Whether a value means itself in these quotes: to Node and dotenv, and to a shell too but for backticks, which come last. */
function canHold(quote: string, value: string): boolean {
  if (/\p{Cc}/u.test(value)) return false;
  switch (quote) {
    case "":
      return /^[\w.:/@%?=+,~-]+$/.test(value);
    case "'":
      return !value.includes("'");
    case '"':
      return !/["$`\\]/.test(value);
    default:
      return !value.includes("`");
  }
}

interface Value {
  /** Where the value begins and ends, its quotes included. */
  readonly start: number;
  readonly end: number;
  readonly quote: string;
}

/** Every place where the variable gets a value: not in comments, and not within the lines of another one's quotes. */
function findValues(text: string, variable: string): Value[] {
  const found: Value[] = [];
  const line = /[^\S\n]*(?:export[^\S\n]+)?([\w.-]+)[^\S\n]*=[^\S\n]*/y;
  for (let at = 0; at < text.length; ) {
    line.lastIndex = at;
    const key = line.exec(text);
    let after = at;
    if (key !== null) {
      const value = valueAt(text, line.lastIndex);
      if (key[1] === variable) found.push(value);
      after = value.end;
    }
    const newline = text.indexOf("\n", after);
    at = newline === -1 ? text.length : newline + 1;
  }
  return found;
}

function valueAt(text: string, start: number): Value {
  const quote = text[start] ?? "";
  if (["'", '"', "`"].includes(quote)) {
    const close = text.indexOf(quote, start + 1);
    if (close !== -1) return { start, end: close + 1, quote };
  }
  const [plain = ""] = /^[^#\r\n]*/.exec(text.slice(start)) ?? [];
  return { start, end: start + plain.trimEnd().length, quote: "" };
}
