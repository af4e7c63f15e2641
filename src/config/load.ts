import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { AppError, errorCode, messageOf } from "../errors.ts";
import { homeFolder } from "../lib/home-folder.ts";
import type { Runtime } from "../lib/runtime.ts";
import { checkVariables } from "./application-checks.ts";
import { crossCheck } from "./cross-checks.ts";
import { describeIssues } from "./describe-issue.ts";
import { type Interpolate, readDocument } from "./document.ts";
import { interpolate, literalPart, parseReferences } from "./interpolate.ts";
import { strategyJsonSchema } from "./json-schema.ts";
import { hasLiteralKey, hasLiteralPassword, hasLiteralSecret } from "./literal-password.ts";
import { checkNotify } from "./notify-checks.ts";
import { formatPath, type Path, type Problem, strategyInvalid } from "./problems.ts";
import { isCommandPath, isLatePath, StrategyFile } from "./schema.ts";
import { buildStrategy, type Strategy } from "./strategy.ts";

// Far more than any strategy; less than a dump that was named by mistake.
const LARGEST_FILE = 1024 * 1024;
const READABLE_BY_OTHERS = 0o044;

/**
 * In the environment of what a daemon starts: it has said what there is to say of the strategy's file, and need not hear it of every job,
 * and that a job has ended it sees by itself.
 */
export const BY_DAEMON = "HANDLED_BY_DAEMON";

/**
 * Reads and checks a strategy file. Fails with `strategy_missing`, or with `strategy_invalid`, which names every
 * problem with its line. Warns when the file holds a password and others may read it.
 */
export async function loadStrategy(runtime: Runtime, path: string, signal: AbortSignal): Promise<Strategy> {
  const file = resolve(path);
  const { text, mode } = await readStrategyFile(file, signal);
  const strategy = parseStrategy(runtime, text, file);
  const isTold = runtime.env[BY_DAEMON] !== undefined;
  if (!isTold && (mode & READABLE_BY_OTHERS) !== 0 && holdsSecrets(strategy)) {
    runtime.reporter.warn(
      `strategy ${file}: holds a password and others may read it: \`chmod 600 ${file}\`, or use \`\${NAME}\``,
    );
  }
  return strategy;
}

/** Whether passwords, keys or tokens are written in a strategy, rather than names of variables that have them. */
export function holdsSecrets({ databases, repositories, notify, daemon }: Strategy): boolean {
  const urls = [...databases, ...repositories].map(({ url }) => url.text);
  return (
    urls.some(hasLiteralPassword) ||
    repositories.some(hasLiteralKey) ||
    databases.some(({ provider }) => provider !== undefined && literalPart(provider.token.text) !== "") ||
    (daemon.oidc !== undefined && literalPart(daemon.oidc.clientSecret.text) !== "") ||
    (notify?.channels.some(hasLiteralSecret) ?? false)
  );
}

/** The text of a strategy file, as it is. Fails as `loadStrategy` does. */
export async function readStrategyText(path: string, signal: AbortSignal): Promise<string> {
  return (await readStrategyFile(path, signal)).text;
}

/** The strategy in a text. `file` is the absolute path it is from or meant for. Fails with `strategy_invalid`. */
export function parseStrategy(runtime: Runtime, text: string, file: string): Strategy {
  const document = readDocument(text, interpolator(runtime));
  const { value, problemAt } = document;
  if (value === undefined && document.problems.length > 0) throw strategyInvalid(file, document.problems);
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw strategyInvalid(file, [problemAt([], "value", shapeProblem(value))]);
  const parsed = StrategyFile.safeParse(value);
  const findings = parsed.success ? [] : describeIssues(parsed.error.issues, value, strategyJsonSchema());
  const unknown = findings.filter(({ isUnknownKey }) => isUnknownKey === true);
  const problems: Problem[] = document.problems.filter(
    ({ path }) => !unknown.some((key) => isInside(path, key.path)),
  );
  // A value that is wrong in itself would only repeat that in other words; the first finding at a place stays.
  const taken = new Set(problems.map(({ path }) => path));
  const crossing = [...crossCheck(value), ...checkVariables(value), ...checkNotify(value)];
  for (const { path, part, message } of [...findings, ...crossing]) {
    const problem = problemAt(path, part, message);
    if (!taken.has(problem.path)) problems.push(problem);
    taken.add(problem.path);
  }
  if (!parsed.success || problems.length > 0) throw strategyInvalid(file, problems);
  const whereIs = (path: Path): string => {
    const { line, column } = problemAt(path, "value", "");
    return `${file}:${line}:${column}`;
  };
  return buildStrategy(parsed.data, { path: file, home: homeFolder(runtime), whereIs });
}

/** What is inside an unknown block has lost its meaning; the block's name is the mistake. */
function isInside(path: string, block: Path): boolean {
  const outer = formatPath(block);
  return path.startsWith(`${outer}.`) || path.startsWith(`${outer}[`);
}

/** Everything is looked up at once, except URLs, which some commands do not need, and commands, which a shell gets. */
function interpolator(runtime: Runtime): Interpolate {
  return (text, path: Path) => {
    if (isCommandPath(path)) return { text };
    if (!isLatePath(path)) return interpolate(runtime, text);
    const parsed = parseReferences(text);
    return "broken" in parsed ? { problem: parsed.broken } : { text };
  };
}

function shapeProblem(value: unknown): string {
  const advice = "`handled init` writes one";
  if (value === null) return `the file is empty; ${advice}`;
  const kind = Array.isArray(value) ? "a list" : "a single text";
  return `the file is ${kind}, where a strategy has keys such as \`databases:\`; ${advice}`;
}

async function readStrategyFile(file: string, signal: AbortSignal): Promise<{ text: string; mode: number }> {
  try {
    await using handle = await open(file, "r");
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new AppError("strategy_invalid", `read strategy ${file}: it is a folder`);
    return { text: decode(file, await readLimited(file, handle, signal)), mode: stat.mode };
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AppError) throw cause;
    if (errorCode(cause) === "ENOENT")
      throw new AppError("strategy_missing", `read strategy ${file}: there is no such file`, {
        cause,
        hint: "`handled init` writes one",
      });
    throw new AppError("strategy_invalid", `read strategy ${file}: ${messageOf(cause)}`, { cause });
  }
}

/** The whole file; a pipe (`--config <(…)`) tells no size, so the limit is checked while reading. */
async function readLimited(file: string, handle: FileHandle, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  signal.throwIfAborted();
  for await (const chunk of handle.createReadStream({ autoClose: false, signal }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_FILE)
      throw new AppError(
        "strategy_invalid",
        `read strategy ${file}: it is larger than 1 MiB, too large for a strategy`,
      );
  }
  return Buffer.concat(chunks);
}

function decode(file: string, bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("strategy_invalid", `read strategy ${file}: it is not UTF-8 text`, { cause });
  }
}
