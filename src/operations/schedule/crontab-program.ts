import { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import { runTool, type ToolCall } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";

// cron itself refuses crontabs of more than 10,000 lines of 1000 bytes.
const LARGEST_CRONTAB = 16 * 1024 * 1024;

/**
 * The current user's crontab, one character a byte (latin1); empty when there is none. Throws `client_missing` without
 * cron and `tool_failed` when it cannot be read exactly as it is.
 */
export async function readCrontab(runtime: Runtime, signal: AbortSignal): Promise<string> {
  const listing = await listCrontab(runtime, signal);
  if (!/\\[rb]/.test(listing)) return listing;
  // Since version 12 Debian lists carriage returns and backspaces as `\r` and `\b`; written back like that, the lines
  // would not be the same. An editor gets the bytes as they are, and one that changes nothing stores nothing.
  const bytes = await runCrontab(runtime, { args: ["-e"], env: { VISUAL: "cat", EDITOR: "cat" } }, signal);
  if (bytes === listing || bytes.replaceAll("\r", "\\r").replaceAll("\b", "\\b") === listing) return bytes;
  throw new AppError(
    "tool_failed",
    "read the crontab: it has control characters that `crontab` does not tell",
    {
      hint: "take them out with `crontab -e`, or use systemd timers: `handled schedule install --systemd`",
    },
  );
}

async function listCrontab(runtime: Runtime, signal: AbortSignal): Promise<string> {
  const stderr: string[] = [];
  try {
    const onLine = (line: string): boolean => {
      stderr.push(line);
      return false;
    };
    return await runCrontab(runtime, { args: ["-l"], onLine }, signal);
  } catch (error) {
    // `crontab` exits 1 for "there is none" as for every failure, and only its words tell them apart. Whatever is not
    // exactly this answer counts as a failure: an unreadable crontab taken for an empty one would be overwritten.
    const isNone = isAppError(error, "tool_failed") && error.details["exitCode"] === 1;
    if (isNone && stderr.length === 1 && /^(crontab: )?no crontab for \S+$/.test(stderr[0] ?? "")) return "";
    throw error;
  }
}

/** Replaces the current user's crontab. Errors as `readCrontab`. */
export async function writeCrontab(runtime: Runtime, text: string, signal: AbortSignal): Promise<void> {
  // cron ignores a last line that has no end, and `crontab` refuses to store one.
  const complete = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  await runCrontab(runtime, { args: ["-"], input: Readable.from([Buffer.from(complete, "latin1")]) }, signal);
}

async function runCrontab(
  runtime: Runtime,
  { env, ...call }: Partial<ToolCall<string>> & Pick<ToolCall<string>, "args">,
  signal: AbortSignal,
): Promise<string> {
  const environment = { ...runtime.env, LC_ALL: "C", ...env };
  try {
    return await runTool(
      runtime,
      { program: "crontab", output: readBytes, ...call, env: environment },
      signal,
    );
  } catch (error) {
    throw explain(error);
  }
}

async function readBytes(stdout: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LARGEST_CRONTAB) throw new AppError("tool_failed", "read the crontab: more than 16 MiB");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("latin1");
}

function explain(error: unknown): unknown {
  if (!isAppError(error, "client_missing")) return error;
  return new AppError("client_missing", "edit the crontab: the program `crontab` is not installed", {
    cause: error,
    hint: "install cron (`apt-get install cron`), or use systemd timers: `handled schedule install --systemd`",
  });
}
