import { stat } from "node:fs/promises";
import type { JobJson } from "../api/contract/jobs.ts";
import { type JobEnd, outcomeOf } from "../daemon/job-process.ts";
import { lastSaid, readEvents } from "./job-events.ts";
import { type JobFile, JobFolder, sizeOf } from "./job-folder.ts";

const TAIL = 64 * 1024;

/** How one ended whom nobody has waited for: by what it said last. @param folder of all jobs */
export async function endAsSaid(folder: string, job: JobFile): Promise<JobEnd> {
  const { exitCode } = await tailOf(folder, job);
  if (exitCode === undefined) return { outcome: "interrupted", how: "nobody saw its end" };
  return { outcome: outcomeOf(exitCode), how: `exit code ${exitCode}` };
}

/** When it last said something. */
export async function lastWritten(folder: string, { id, startedAt }: JobFile): Promise<string> {
  const { stderr } = new JobFolder(folder, id);
  // It may have been killed before there was one.
  return await stat(stderr).then(
    ({ mtime }) => mtime.toISOString(),
    () => startedAt,
  );
}

/** What it said last. */
export async function tailOf(
  folder: string,
  { id, startedAt }: JobFile,
): Promise<
  Pick<JobJson, "progress" | "error"> & {
    readonly exitCode?: number | undefined;
    readonly endedAt?: string | undefined;
  }
> {
  const { stderr } = new JobFolder(folder, id);
  const from = Math.max(0, (await sizeOf(stderr)) - TAIL);
  const heard = await readEvents(stderr, from, { began: startedAt, isOver: true });
  return { ...lastSaid(heard.events), exitCode: heard.exitCode, endedAt: heard.endedAt };
}
