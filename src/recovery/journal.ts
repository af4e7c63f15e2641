import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { AppError, errorCode } from "../errors.ts";
import { syncFolder, writeDurable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder } from "../lib/state-folder.ts";
import type { Plan } from "./plan.ts";

const JournalFile = z.strictObject({
  format: z.literal(1),
  scenario: z.string(),
  databases: z.array(z.string()),
  aim: z.record(z.string(), z.string()),
  /** The ids of all steps, in order. */
  steps: z.array(z.string()),
  startedAt: z.iso.datetime(),
  /** The steps that a person has agreed to. */
  confirmed: z.array(z.string()),
  /** Those that have begun, in order; each but the last is done. */
  begun: z.array(
    z.strictObject({
      step: z.string(),
      startedAt: z.iso.datetime(),
      /** Null while it runs, and when it failed. */
      finishedAt: z.iso.datetime().nullable(),
      outputs: z.record(z.string(), z.union([z.string(), z.number()])),
    }),
  ),
});

/** How far one recovery has come, as a file of this machine says. */
export type Journal = z.infer<typeof JournalFile>;
export type BegunStep = Journal["begun"][number];

/**
 * Where the journal of a plan is: one for each scenario and its databases.
 * @param origin what tells strategies apart: the path of the file, or the place of a repository
 */
export function journalPath(
  runtime: Runtime,
  origin: string,
  { scenario, databases }: Pick<Plan, "scenario" | "databases">,
): string {
  const folder = createHash("sha256").update(origin).digest("hex").slice(0, 16);
  const name = [scenario, ...databases.map(encodeURIComponent)].join("-");
  // File names end at 255 bytes.
  const short =
    name.length <= 100 ? name : `${scenario}-${createHash("sha256").update(name).digest("hex").slice(0, 16)}`;
  return join(stateFolder(runtime), "recoveries", folder, `${short}.json`);
}

/** Reads a journal; undefined where no recovery was begun. One that cannot be understood is an error, never a new beginning. */
export async function readJournal(path: string): Promise<Journal | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JournalFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError("usage", `read the journal ${path}: it is damaged, or of another version`, {
      cause,
      hint: "a recovery was begun here: look at what it has done, move the file away, and begin anew",
    });
  }
}

/** The databases of each recovery from a scenario that was begun and has not ended. Fails as `readJournal` does. */
export async function begunRecoveries(
  runtime: Runtime,
  origin: string,
  scenario: Plan["scenario"],
): Promise<(readonly string[])[]> {
  const folder = dirname(journalPath(runtime, origin, { scenario, databases: [] }));
  const begun: (readonly string[])[] = [];
  for (const name of await namesIn(folder)) {
    if (!name.startsWith(`${scenario}-`) || !name.endsWith(".json")) continue;
    const journal = await readJournal(join(folder, name));
    if (journal !== undefined) begun.push(journal.databases);
  }
  return begun;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Writes a journal durably, for its owner alone. */
export async function writeJournal(runtime: Runtime, path: string, journal: Journal): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  runtime.observer("before", "write the journal");
  await writeDurable(path, `${JSON.stringify(journal)}\n`);
  runtime.observer("after", "write the journal");
}

/** Removes the journal of a recovery that is complete. */
export async function removeJournal(runtime: Runtime, path: string): Promise<void> {
  runtime.observer("before", "remove the journal");
  await rm(path, { force: true });
  await syncFolder(dirname(path));
  runtime.observer("after", "remove the journal");
}
