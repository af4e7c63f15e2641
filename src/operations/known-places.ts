import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { AppError, errorCode, messageOf } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder } from "../lib/state-folder.ts";
import type { Storage } from "../storage/storage.ts";

/** `places/<hash>.json` in the state folder: backups were written there from this machine. */
const KnownPlace = z.strictObject({
  format: z.literal(1),
  place: z.string(),
  /** When the last one was. */
  lastAt: z.iso.datetime(),
});

// The user has no home, or it is not there or not ours to write to: then nothing is remembered.
const NO_HOME = ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EROFS"];

/**
 * Remembers on this machine that backups were written to a place. Where that is the only place, nothing else knows of it once its
 * disk is not mounted. That it cannot be remembered keeps nothing from working.
 */
export async function rememberPlace(runtime: Runtime, { place }: Storage): Promise<void> {
  const path = pathOf(runtime, place);
  const known: z.infer<typeof KnownPlace> = { format: 1, place, lastAt: runtime.clock.now().toISOString() };
  try {
    const folder = join(path, "..");
    // Not recursively: a home folder that is not there is not ours to make.
    for (const each of [join(folder, "../../.."), join(folder, "../.."), join(folder, ".."), folder])
      await mkdir(each, { mode: 0o700 }).catch((error: unknown) => {
        if (errorCode(error) !== "EEXIST") throw error;
      });
    await writeDurable(path, `${JSON.stringify(known)}\n`);
  } catch (error) {
    const code = errorCode(error);
    if (code === undefined) throw error;
    if (!NO_HOME.includes(code))
      runtime.reporter.warn(
        `that backups lie in ${place} is not remembered on this machine: ${messageOf(error)}`,
      );
  }
}

/**
 * Why a place that is no repository is not simply new: this machine has written backups there. A disk that is not mounted looks just
 * like a new place, and what is written there goes to the disk below it. Undefined where nothing is known.
 * @param database for the hint
 */
export async function goneOf(
  runtime: Runtime,
  { place }: Storage,
  database: string,
): Promise<AppError | undefined> {
  const known = await readKnown(pathOf(runtime, place));
  if (known?.place !== place) return undefined;
  const at = known.lastAt.slice(0, 10);
  return new AppError(
    "repository_missing",
    `${place} is no repository, and this machine wrote backups there, the last on ${at}: a disk or share may not be mounted, or it was emptied`,
    {
      hint:
        "see whether its disk or share is mounted, and whether it is the right folder or bucket; " +
        `if the backups are gone for good, \`handled backup ${database} --new-place\` begins anew there`,
      details: { lastAt: known.lastAt },
    },
  );
}

async function readKnown(path: string): Promise<z.infer<typeof KnownPlace> | undefined> {
  try {
    return KnownPlace.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    // None, or none that can be read: then nothing is known.
    if (errorCode(error) === undefined && !(error instanceof SyntaxError) && !(error instanceof z.ZodError))
      throw error;
    return undefined;
  }
}

function pathOf(runtime: Runtime, place: string): string {
  const name = createHash("sha256").update(place).digest("hex").slice(0, 32);
  return join(stateFolder(runtime), "places", `${name}.json`);
}
