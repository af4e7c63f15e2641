import { AppError } from "../errors.ts";
import { type Parameters, checkParameterName } from "./parameters.ts";

/**
 * Reads `host=db.example dbname='my db' password=it\'s` as libpq does: values in single quotes may hold spaces, and
 * a backslash takes the next character as it is. Errors (`usage`) never repeat a piece that could be a password's.
 */
export function parseConnectionKeywords(source: string): Parameters {
  const found: Record<string, string> = {};
  const reader = /\s*([^\s=]+)\s*(?:(=)\s*('(?:[^'\\]|\\.)*'|'|(?:[^\s\\]|\\.)*\\?))?/suy;
  let end = 0;
  for (let match = reader.exec(source); match !== null && match[0] !== ""; match = reader.exec(source)) {
    end = reader.lastIndex;
    const [, name = "", equals, raw = ""] = match;
    // What follows a password with an unquoted space looks like the next keyword: never repeat it.
    const mayPrint = !("password" in found);
    if (equals === undefined) throw invalid("a keyword without a value", mayPrint ? name : undefined);
    if (raw === "'") {
      throw invalid("a quoted value has no closing quote", mayPrint ? name : undefined);
    }
    checkParameterName(name, "the connection string", mayPrint);
    found[name] = unquote(raw);
  }
  if (source.slice(end).trim() !== "") throw invalid("a value without a keyword", undefined);
  return found;
}

function unquote(raw: string): string {
  const inner = raw.startsWith("'") ? raw.slice(1, -1) : raw;
  return inner.replace(/\\(.?)/gsu, "$1");
}

function invalid(reason: string, keyword: string | undefined): AppError {
  const where = keyword === undefined ? "" : ` (${JSON.stringify(keyword)})`;
  return new AppError("usage", `read the connection string: ${reason}${where}`, {
    hint: "write `keyword=value` pairs; put values with spaces in single quotes, and a backslash before a quote or backslash",
  });
}
