import { mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { JOB_KINDS, JOB_STATES, JobJson } from "../api/contract/jobs.ts";
import { errorCode } from "../errors.ts";
import { syncFolder, writeDurable } from "../lib/durable.ts";
import { RUN_ID } from "../repository/run-file.ts";

// A folder a job: `job.json` says what was asked for, `stdout` and `stderr` are what its process writes, and `end.json` is there once it
// is known how it ended. The process writes them itself, so that it needs nobody to listen.

/** `job.json`. */
const JobFile = z.strictObject({
  id: z.string().regex(RUN_ID),
  kind: z.enum(JOB_KINDS),
  database: z.string().nullable(),
  options: z.record(z.string(), z.unknown()),
  command: z.array(z.string()),
  by: z.string(),
  /** Databases that nothing else may be done with meanwhile. */
  occupies: z.array(z.string()),
  startedAt: z.iso.datetime(),
  deadlineMs: z.int().min(0),
});
export type JobFile = z.infer<typeof JobFile>;

/** `end.json`. */
const EndFile = JobJson.pick({ how: true, cancelledBy: true, progress: true, error: true }).extend({
  endedAt: z.iso.datetime(),
  state: z.enum(JOB_STATES).exclude(["running"]),
});
export type EndFile = z.infer<typeof EndFile>;

/** What a job wrote, before it has to be cut off. */
const MOST_RESULT = 16 * 1024 * 1024;

/** Everything that is kept of one job. */
export class JobFolder {
  readonly path: string;

  constructor(folder: string, id: string) {
    this.path = join(folder, id);
  }

  get stdout(): string {
    return join(this.path, "stdout");
  }

  get stderr(): string {
    return join(this.path, "stderr");
  }

  /** Makes it, with what was asked for. */
  async create(job: JobFile): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await writeDurable(join(this.path, "job.json"), JSON.stringify(job));
    await syncFolder(join(this.path, ".."));
  }

  /** Undefined where there is none that can be read. */
  async read(): Promise<JobFile | undefined> {
    return await readJson(join(this.path, "job.json"), JobFile);
  }

  async end(): Promise<EndFile | undefined> {
    return await readJson(join(this.path, "end.json"), EndFile);
  }

  async writeEnd(end: EndFile): Promise<void> {
    await writeDurable(join(this.path, "end.json"), JSON.stringify(end));
  }

  /** The last thing that the command printed with `--json`; null where it printed nothing that is JSON. */
  async result(): Promise<unknown> {
    const text = (await readPart(this.stdout, -MOST_RESULT, MOST_RESULT)).toString();
    return parseJson(text.trimEnd().split("\n").at(-1) ?? "");
  }

  /** How much of the disk it takes, in bytes. */
  async room(): Promise<number> {
    const files = await Promise.all([this.stdout, this.stderr].map(async (path) => await roomOf(path)));
    return files.reduce((sum, bytes) => sum + bytes, 0);
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** The identities of the jobs that are kept, oldest first. */
export async function jobsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => RUN_ID.test(name)).toSorted();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/**
 * Some bytes of a file; fewer at its end, none where it is not there.
 * @param from where it begins; a negative one counts from the end
 */
export async function readPart(path: string, from: number, most: number): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    const start = from < 0 ? Math.max(0, size + from) : from;
    const wanted = Math.max(0, Math.min(most, size - start));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(wanted), 0, wanted, start);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

/** A file with holes takes less than its size. 0 where it is not there. */
async function roomOf(path: string): Promise<number> {
  try {
    return (await stat(path)).blocks * 512;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

/** Null for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

async function readJson<Value>(path: string, schema: z.ZodType<Value>): Promise<Value | undefined> {
  try {
    return schema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch (error) {
    // One that was cut off says nothing either.
    if (errorCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
