import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { DATABASE } from "./handled.ts";
import type { Place } from "./place.ts";
import { type Env, type Run, run, shell } from "./run.ts";

// What people do without us. Paths are handed over in the environment: nothing in them can be taken for shell.

const DUMP_FILE = "dump.sql.gz";
const DUMP_FOLDER = "dump.folder";

function withPaths(place: Place): Env {
  return {
    ...place.env,
    PGDATABASE: DATABASE,
    FILE: join(place.folder, DUMP_FILE),
    FOLDER: join(place.folder, DUMP_FOLDER),
  };
}

export async function dumpGzip(place: Place, signal: AbortSignal): Promise<Run> {
  return await shell('pg_dump | gzip > "$FILE"', withPaths(place), signal);
}

/** What is written is not needed afterwards. */
export async function dumpZstd(place: Place, signal: AbortSignal): Promise<Run> {
  const done = await shell('pg_dump | zstd -q -3 -T2 > "$FILE.zst"', withPaths(place), signal);
  await rm(join(place.folder, `${DUMP_FILE}.zst`));
  return done;
}

export async function dumpFolder(place: Place, signal: AbortSignal): Promise<Run> {
  await rm(join(place.folder, DUMP_FOLDER), { recursive: true, force: true });
  return await shell('pg_dump -Fd -j2 -f "$FOLDER"', withPaths(place), signal);
}

export async function loadGzip(place: Place, into: string, signal: AbortSignal): Promise<Run> {
  const env = { ...withPaths(place), PGDATABASE: into };
  return await shell('gunzip -c "$FILE" | psql -X -q -o /dev/null -v ON_ERROR_STOP=1', env, signal);
}

export async function loadFolder(place: Place, into: string, signal: AbortSignal): Promise<Run> {
  return await shell(
    'pg_restore -j2 --exit-on-error -d "$INTO" "$FOLDER"',
    { ...withPaths(place), INTO: into },
    signal,
  );
}

/** A restic repository beside everything else. */
export interface Restic {
  backup(signal: AbortSignal): Promise<Run>;
}

/** Undefined where restic is not installed. */
export async function makeRestic(place: Place, signal: AbortSignal): Promise<Restic | undefined> {
  const folder = join(place.folder, "restic");
  const env = {
    ...withPaths(place),
    RESTIC_REPOSITORY: join(folder, "repository"),
    RESTIC_CACHE_DIR: join(folder, "cache"),
    RESTIC_PASSWORD: "of no use to anybody",
  };
  const installed = await run("bash", ["-c", "command -v restic || true"], env, signal);
  if (installed.stdout === "") return undefined;
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  await shell("restic init --quiet", env, signal);
  return {
    backup: async (stop) =>
      await shell("pg_dump | restic backup --quiet --stdin --stdin-filename dump.sql", env, stop),
  };
}
