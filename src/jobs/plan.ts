import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { PlanJson } from "../api/contract/jobs.ts";
import type { JobProgram } from "../daemon/job-process.ts";
import { AppError, ERRORS, type ErrorCode, isAppError } from "../errors.ts";
import { ErrorJson } from "../json/common.ts";
import { ProgressEventJson } from "../json/progress.ts";
import { runTool } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { parseJson } from "./job-folder.ts";

const DEADLINE_S = 300;

/** Runs a command that changes nothing to its end, with what it reads. Fails as the command does; aborting the signal ends it. */
export async function runDry(
  runtime: Runtime,
  { node, program, strategyPath, cwd }: JobProgram,
  { command, input }: { readonly command: readonly string[]; readonly input: string | undefined },
  signal: AbortSignal,
): Promise<PlanJson> {
  const globals = ["--json", "--progress=json", "--no-color", `--config=${strategyPath}`];
  const notes: string[] = [];
  let printed: unknown = null;
  let text = "";
  const call = {
    program: node,
    args: [program, ...globals, `--deadline=${DEADLINE_S}s`, ...command],
    env: runtime.env,
    cwd,
    ...(input === undefined ? {} : { input: Readable.from([input]) }),
    output: async (stdout: NodeJS.ReadableStream) => {
      printed = parseJson((await buffer(stdout)).toString().trimEnd().split("\n").at(-1) ?? "");
    },
    onLine: (line: string) => {
      const event = ProgressEventJson.safeParse(parseJson(line)).data;
      if (event?.event === "note" || event?.event === "warning") notes.push(event.message);
      if (event?.event === "result") text = event.message;
      return event !== undefined;
    },
  };
  try {
    await runTool(runtime, call, signal);
  } catch (error) {
    const said = ErrorJson.safeParse(printed).data?.error;
    if (!isAppError(error, "tool_failed") || said === undefined) throw error;
    throw new AppError(codeOf(said.code), said.message, {
      hint: said.hint,
      details: said.details,
      cause: error,
    });
  }
  return { command: [...command], notes, text, result: printed };
}

function codeOf(code: string): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : "unexpected";
}
