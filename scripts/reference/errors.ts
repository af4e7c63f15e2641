import { ERRORS } from "../../src/errors.ts";
import { EXIT_CODES } from "../../src/cli/exit-codes.ts";
import { renderRows } from "./markdown.ts";

/** `docs/reference/errors.md`: every way to fail, made from the table of errors. */
export function errorsReference(): string {
  const errors = Object.entries(ERRORS);
  const unknown = errors.find(([, { exit }]) => EXIT_CODES.every(({ code }) => code !== exit));
  if (unknown !== undefined) throw new Error(`${unknown[0]} has an exit code without a meaning`);
  return `${[
    "# Errors",
    "Every failure has a code, which stays; its message says operation, object and reason and may change. With `--json` a " +
      'failed command prints `{ "error": { "code", "message", "hint", "details" } }` ([JSON output](json-output.md#errors)). ' +
      "*Retry* says whether the same command may succeed later without anybody doing anything.",
    renderRows(
      ["code", "exit code", "HTTP", "retry", "meaning"],
      errors.map(([code, { exit, http, retry, meaning }]) => [
        `\`${code}\``,
        String(exit),
        String(http),
        retry ? "yes" : "no",
        meaning,
      ]),
    ),
    "## Exit codes",
    renderRows(
      ["exit code", "meaning", "errors"],
      EXIT_CODES.map(({ code, meaning }) => [
        String(code),
        meaning,
        errors.flatMap(([name, { exit }]) => (exit === code ? [`\`${name}\``] : [])).join(", "),
      ]),
    ),
  ].join("\n\n")}\n`;
}
