import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { conventionalVariable, type DatabaseAnswers } from "../../config/template.ts";
import type { Cli } from "../cli.ts";
import type { Asker } from "../prompt.ts";
import { variableProblem } from "./init-answers.ts";

/**
 * The databases, each with the variable of the application's `.env` that has its URL: as given, asked for, or, where nobody can be
 * asked, the most likely one, which is told.
 * @param envFile an absolute path, one below `~/`, or one with `${NAME}`
 */
export async function withVariables(
  cli: Cli,
  ask: Asker | undefined,
  databases: readonly DatabaseAnswers[],
  envFile: string,
): Promise<DatabaseAnswers[]> {
  const all: DatabaseAnswers[] = [];
  for (const database of databases)
    all.push({ ...database, variable: database.variable ?? (await variableOf(cli, ask, database, envFile)) });
  return all;
}

async function variableOf(
  cli: Cli,
  ask: Asker | undefined,
  database: DatabaseAnswers,
  envFile: string,
): Promise<string> {
  const likely = await likelyVariable(cli, database, envFile);
  if (ask !== undefined)
    return await ask.text({
      message: `Variable in ${envFile} with the URL of ${database.name}`,
      initial: likely,
      check: variableProblem,
    });
  cli.output.note(
    `the URL of ${database.name} is taken to be in ${likely} of ${envFile}; \`--variable\` names another`,
  );
  return likely;
}

/** The one that the database's own URL comes from; else the one in the file that leads to the same place; else by custom. */
async function likelyVariable(
  { runtime }: Cli,
  { name, url }: DatabaseAnswers,
  envFile: string,
): Promise<string> {
  const [, own] = /^\$\{([A-Za-z_]\w*)\}$/.exec(url) ?? [];
  if (own !== undefined) return own;
  const path = envFile.startsWith("~/") ? join(runtime.env["HOME"] ?? "", envFile.slice(1)) : envFile;
  const found = Object.entries(await variablesIn(path)).filter(([, value]) => isSamePlace(value ?? "", url));
  const [only, another] = found.map(([variable]) => variable);
  return only !== undefined && another === undefined ? only : conventionalVariable(name);
}

/** None where it cannot be read: the application may be on another machine, or not yet here. */
async function variablesIn(path: string): Promise<NodeJS.Dict<string>> {
  return await readFile(path, "utf8").then(parseEnv, () => ({}));
}

/** Users and passwords may differ. */
function isSamePlace(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false;
  const [a, b] = [new URL(one), new URL(other)];
  const port = (url: URL): string => url.port || "5432";
  return a.hostname !== "" && a.hostname === b.hostname && port(a) === port(b) && a.pathname === b.pathname;
}
