import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BY_DAEMON } from "../config/load.ts";
import { errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder } from "../lib/state-folder.ts";
import type { Storage } from "../storage/storage.ts";

type Place = Pick<Storage, "place">;

/**
 * Leaves a note on this machine, for daemons of the same user, that something was done to backups in these places, or recorded of them: in
 * `changed/` of the state folder, a file for each place. That it cannot be left keeps nothing from working: they look by themselves, later.
 */
export async function noteChange(runtime: Runtime, places: readonly Place[]): Promise<void> {
  if (runtime.env[BY_DAEMON] !== undefined) return;
  for (const { place } of places) {
    await unlessRefused(async () => {
      const path = pathOf(runtime, place);
      // Not the folders above it: where they are not there, no daemon of ours has ever run.
      await mkdir(join(path, ".."), { mode: 0o700 }).catch((error: unknown) => {
        if (errorCode(error) !== "EEXIST") throw error;
      });
      await writeFile(path, runtime.clock.now().toISOString(), { mode: 0o600 });
    });
  }
}

/** When the last change of any of these places was noted, as ISO 8601; empty where none is known. */
export async function lastChange(runtime: Runtime, places: readonly Place[]): Promise<string> {
  const notes = places.map(
    // Empty for a moment, while somebody writes.
    async ({ place }) => await unlessRefused(async () => await readFile(pathOf(runtime, place), "utf8")),
  );
  return (await Promise.all(notes)).map((note) => note ?? "").reduce((a, b) => (a > b ? a : b), "");
}

function pathOf(runtime: Runtime, place: string): string {
  const name = createHash("sha256").update(place).digest("hex").slice(0, 32);
  return join(stateFolder(runtime), "changed", name);
}

async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}
