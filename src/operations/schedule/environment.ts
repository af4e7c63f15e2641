import { readFile, stat } from "node:fs/promises";
import { parseEnv } from "node:util";
import { readDocument } from "../../config/document.ts";
import { parseReferences } from "../../config/interpolate.ts";
import type { Path } from "../../config/problems.ts";
import { isCommandPath, isLatePath } from "../../config/schema.ts";
import { AppError, messageOf } from "../../errors.ts";
import { counted } from "../../lib/text.ts";

const OPEN_TO_OTHERS = 0o077;

/** What a scheduled run will know of its environment: cron and systemd give it next to nothing. */
export interface ScheduledEnvironment {
  readonly strategyPath: string;
  /** The databases that are scheduled: the URLs of the others are not looked up. */
  readonly databases: readonly string[];
  readonly envFile: string | undefined;
}

/**
 * What the scheduled runs will miss, one sentence each: variables that the strategy needs and the environment file
 * does not set, and an environment file that others may read. Throws `usage` when that file cannot be read.
 */
export async function checkEnvironment(environment: ScheduledEnvironment): Promise<string[]> {
  const { strategyPath, databases, envFile } = environment;
  const text = await readFile(strategyPath, "utf8");
  const given = envFile === undefined ? undefined : await readEnvFile(envFile);
  const missing = neededVariables(text, databases).filter((name) => given?.names.has(name) !== true);
  const warnings: string[] = [];
  if (missing.length > 0) {
    const where =
      envFile === undefined ? "name a file that sets them with `--env-file FILE`" : `${envFile} lacks them`;
    warnings.push(
      `the strategy needs ${counted(missing.length, "environment variable")} that scheduled runs do not have: ` +
        `${missing.join(", ")}; ${where}`,
    );
  }
  if (given?.open === true) {
    warnings.push(`others may read ${envFile}, which may hold passwords: \`chmod 600 ${envFile}\``);
  }
  return warnings;
}

/**
 * The variables without a default that runs of these databases look up in a strategy's text, sorted: those of the
 * repositories and of everything that is looked up at once, and those of the databases' own URLs.
 */
export function neededVariables(strategyText: string, databases: readonly string[]): string[] {
  const names = new Set<string>();
  readDocument(strategyText, (text, path) => {
    const parsed = isLookedUp(path, databases) ? parseReferences(text) : { pieces: [] };
    for (const piece of "pieces" in parsed ? parsed.pieces : []) {
      if (typeof piece !== "string" && piece.fallback === undefined) names.add(piece.name);
    }
    return { text };
  });
  return [...names].toSorted();
}

function isLookedUp(path: Path, databases: readonly string[]): boolean {
  // The shell of a stop or start command looks its variables up itself, and a backup never runs it.
  if (isCommandPath(path)) return false;
  const [section, name] = path;
  return !isLatePath(path) || section !== "databases" || databases.includes(String(name));
}

async function readEnvFile(path: string): Promise<{ names: ReadonlySet<string>; open: boolean }> {
  try {
    // The parser that Node itself uses for `--env-file`.
    const values = parseEnv(await readFile(path, "utf8"));
    const { mode } = await stat(path);
    return { names: new Set(Object.keys(values)), open: (mode & OPEN_TO_OTHERS) !== 0 };
  } catch (cause) {
    throw new AppError("usage", `read the environment file ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "it has one `NAME=value` a line; a value with `#` or spaces stands in quotes",
    });
  }
}
