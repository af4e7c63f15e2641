import { AppError } from "../errors.ts";

/** Beside the strategy: the variables with secrets that it refers to. */
export const ENVIRONMENT_FILE = "handled.env";

/**
 * The lines of an environment file, one `NAME='value'` each, which a shell (`. ./handled.env`) and Node (`--env-file`)
 * read alike. Throws `usage` for a value that no quoting says to both.
 */
export function environmentText(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${quoteForBoth(name, value)}\n`)
    .join("");
}

/** The text of a file that is there already with these variables in place of its own of the same names. */
export function withVariables(text: string, variables: Readonly<Record<string, string>>): string {
  const kept = text
    .split("\n")
    .filter(
      (line) => !Object.hasOwn(variables, /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/.exec(line)?.[1] ?? ""),
    );
  const before = kept.join("\n");
  const end = before === "" || before.endsWith("\n") ? "" : "\n";
  return `${before}${end}${environmentText(variables)}`;
}

function quoteForBoth(name: string, value: string): string {
  // In a URL any quote may be written by its percent code; elsewhere it has to stay.
  const text = /^[a-z]+:\/\//i.test(value) ? value.replaceAll("'", "%27") : value;
  if (!/[\p{Cc}']/u.test(text)) return `'${text}'`;
  if (!/[\p{Cc}"$`\\]/u.test(text)) return `"${text}"`;
  throw new AppError(
    "usage",
    `write ${ENVIRONMENT_FILE}: the value of ${name} has quotes or control characters`,
    {
      hint: "give the connection string as a URL, with percent codes: `%27` for a quote",
    },
  );
}
