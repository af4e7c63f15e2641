import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { strategyJsonSchema } from "../../config/json-schema.ts";
import { AppError, errorCode, messageOf } from "../../errors.ts";
import { copyDurable, writeDurable } from "../../lib/durable.ts";
import { ENVIRONMENT_FILE, environmentText, withVariables } from "../environment-file.ts";

export interface NewStrategy {
  /** Absolute. */
  readonly path: string;
  readonly yaml: string;
  /** Variables with secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Whether files that are there are replaced; other variables in an environment file stay. */
  readonly force: boolean;
}

/**
 * Writes the strategy, its JSON Schema and, where there are secrets, an environment file beside it. Without `force` it
 * fails with `target_exists`, having written nothing, when one of them is there with another content.
 */
export async function writeStrategyFiles(
  { path, yaml, environment, force }: NewStrategy,
  signal: AbortSignal,
): Promise<{ schema: string; environmentFile: string | null }> {
  const folder = dirname(path);
  const schema = join(folder, "handled.schema.json");
  const environmentFile = Object.keys(environment).length === 0 ? null : join(folder, ENVIRONMENT_FILE);
  const schemaText = `${JSON.stringify(strategyJsonSchema(), null, 2)}\n`;
  // The strategy last: while it is not there, everything can be begun again.
  const files = [
    ...(environmentFile === null
      ? []
      : [{ file: environmentFile, text: await environmentFor(environmentFile, environment, force) }]),
    { file: schema, text: schemaText },
    { file: path, text: yaml },
  ];
  const changed: typeof files = [];
  for (const each of files) {
    const present = await readIfThere(each.file);
    if (present !== undefined && present !== each.text && !force) throw isThere(each.file);
    if (present !== each.text) changed.push(each);
  }
  try {
    await mkdir(folder, { recursive: true });
    for (const { file, text } of changed) await write(file, text, force, signal);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("usage", `write a strategy to ${folder}: ${messageOf(cause)}`, {
      cause,
      hint: "choose a folder that you may write to, with `--config FILE`",
    });
  }
  return { schema, environmentFile };
}

async function environmentFor(
  file: string,
  environment: Readonly<Record<string, string>>,
  force: boolean,
): Promise<string> {
  const present = force ? await readIfThere(file) : undefined;
  return present === undefined ? environmentText(environment) : withVariables(present, environment);
}

async function write(file: string, text: string, force: boolean, signal: AbortSignal): Promise<void> {
  if (force) {
    await writeDurable(file, text);
    return;
  }
  try {
    // Unlike a look beforehand, this cannot lose a race.
    await copyDurable(Readable.from([text]), file, false, signal);
  } catch (error) {
    throw error instanceof AppError && error.code === "target_exists" ? isThere(file) : error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const code = errorCode(error);
    // What cannot be there at all is told when it is written.
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new AppError("usage", `read ${file}: ${messageOf(error)}`, {
      cause: error,
      hint: "`--config FILE` writes elsewhere",
    });
  }
}

function isThere(file: string): AppError {
  return new AppError("target_exists", `write ${file}: the file is there already`, {
    hint: "`--force` replaces it, `--config FILE` writes elsewhere",
  });
}
