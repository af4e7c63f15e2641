import { access, constants, readFile, realpath } from "node:fs/promises";
import { dirname } from "node:path";
import type { Strategy } from "../../config/strategy.ts";
import { AppError, errorCode } from "../../errors.ts";
import { envValue } from "../../lib/env-text.ts";
import { ok, type Outcome, warning } from "./finding.ts";

const HINT = "a recovery on another server could not point the application at it";

/** Whether a recovery could change the variables by which applications find their databases: better known before it has to. */
export async function checkVariables(strategy: Strategy): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const found: string[] = [];
  for (const { variable, application } of strategy.databases) {
    const file = application?.envFile;
    if (variable === undefined || file === undefined) continue;
    const problem = await problemOf(file, variable);
    if (problem === undefined) found.push(`${variable} in ${file}`);
    else outcomes.push(problem);
  }
  if (found.length === 0) return outcomes;
  return [ok(`the application's variables are there: ${found.join(", ")}`), ...outcomes];
}

async function problemOf(file: string, variable: string): Promise<Outcome | undefined> {
  try {
    const path = await realpath(file);
    if (envValue(await readFile(path, "latin1"), variable, path) === "")
      return warning(
        `${variable} in ${file} is empty`,
        `${HINT}; is that the file that the application reads?`,
      );
    // The new file is written beside it, and takes its place.
    await access(dirname(path), constants.W_OK);
    return undefined;
  } catch (error) {
    if (error instanceof AppError)
      return warning(`the application's variables: ${error.message.replace(/^change /, "")}`, error.hint);
    const code = errorCode(error);
    if (code === undefined) throw error;
    return warning(`the application's variables: ${file} cannot be read and replaced: ${code}`, HINT);
  }
}
