import { expect } from "vitest";
import { SET_COPY_SETTINGS } from "../../src/engines/snapshot/session-settings.ts";
import { copyOutSql, listSourceTables } from "../../src/engines/snapshot/tables.ts";
import { decompressFrames } from "../../src/lib/zstd-frames.ts";
import { resolveConnection } from "../../src/postgres/connection.ts";
import { connect } from "../../src/postgres/session.ts";
import { readTables } from "../../src/repository/backups.ts";
import type { BackupId, SnapshotIndex, SnapshotTable } from "../../src/repository/manifest.ts";
import { readIndex } from "../../src/repository/manifests.ts";
import type { PartRange } from "../../src/repository/part-list-lines.ts";
import { readPartList } from "../../src/repository/part-lists.ts";
import { readPart } from "../../src/repository/parts.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type CliOptions, jsonOf, runCli } from "../support/cli.ts";
import { freshPlace } from "../support/fresh-place.ts";
import { sealNewRepository } from "../support/keys.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";

const signal = noAbort();
/** The database's name in the repository. */
const NAME = "shop";

/** A snapshot that was taken, and what the command said. */
export interface Taken {
  readonly code: number | null;
  readonly stderr: string;
  readonly index: SnapshotIndex;
  readonly tables: readonly SnapshotTable[];
}

/** A repository for snapshots of a database on which nobody writes while one is taken. */
export interface Laboratory extends AsyncDisposable {
  readonly repository: Repository;
  /** Where it is, as the command line is told. */
  readonly url: string;
  /** What lies there, to look at and to damage. */
  readonly storage: Storage;
  /**
   * `handled backup --kind snapshot`. Compares every stored row with the database, text by text, and so fails when a
   * range was reused that should not have been, unless the command itself found out and read everything.
   */
  take(url: string, args?: readonly string[], cli?: CliOptions): Promise<Taken>;
}

export async function openLaboratory(): Promise<Laboratory> {
  const home = await freshPlace();
  const runtime = testRuntime();
  const storage = openStorage(runtime, home.url);
  sealNewRepository(runtime, storage.place);
  const repository = await openOrCreateRepository(runtime, storage, signal);
  return {
    repository,
    url: home.url,
    storage,
    async take(url, args = [], cli = {}) {
      const place = ["--url", url, "--repository", home.url, "--kind", "snapshot", "--jobs", "1", "--json"];
      const result = await runCli(["backup", NAME, ...place, ...args], cli);
      const { code, stderr } = result;
      expect([0, 3], stderr).toContain(code);
      const index = await readIndex(repository, NAME, String(jsonOf(result)["id"]) as BackupId, signal);
      if (index.kind !== "snapshot") throw new Error("it is not a snapshot");
      const tables = await readTables(repository, index, signal);
      expect(await storedText(repository, tables)).toEqual(await liveText(url));
      return { code, stderr, index, tables };
    },
    [Symbol.asyncDispose]: async () => await home[Symbol.asyncDispose](),
  };
}

/** The line of a table, which must be there. */
export function lineOf({ tables }: Taken, name: string): SnapshotTable {
  const line = tables.find((table) => table.name === name);
  if (line === undefined) throw new Error(`there is no table ${name}`);
  return line;
}

/** The ranges of a table, as its part list has them. */
export async function rangesOf(
  repository: Repository,
  { partList }: Pick<SnapshotTable, "partList">,
): Promise<PartRange[]> {
  if (partList === null) return [];
  const { ranges } = await readPartList(repository, NAME, partList, signal);
  return await Array.fromAsync(ranges);
}

/** Every row, by table, in the order of the blocks. */
async function storedText(
  repository: Repository,
  tables: readonly SnapshotTable[],
): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const table of tables) {
    const chunks: Buffer[] = [];
    for (const { parts } of await rangesOf(repository, table)) {
      for (const part of parts) {
        const stored: Buffer[] = [];
        for await (const chunk of await readPart(repository, NAME, part, signal))
          stored.push(chunk as Buffer);
        chunks.push(...decompressFrames(Buffer.concat(stored)));
      }
    }
    if (table.partList !== null) texts[`${table.schema}.${table.name}`] = Buffer.concat(chunks).toString();
  }
  return texts;
}

async function liveText(url: string): Promise<Record<string, string>> {
  const runtime = testRuntime();
  await using session = await connect(runtime, await resolveConnection(runtime, url, signal), signal);
  await session.query("begin isolation level repeatable read read only");
  await session.query(SET_COPY_SETTINGS);
  const texts: Record<string, string> = {};
  for (const table of await listSourceTables(session, null)) {
    const chunks: Buffer[] = [];
    // Copied, for the session reuses what it gives.
    await session.copyOut(
      copyOutSql(table, { from: 0, to: null }),
      (chunk) => void chunks.push(Buffer.from(chunk)),
    );
    texts[`${table.schema}.${table.name}`] = Buffer.concat(chunks).toString();
  }
  await session.query("commit");
  return texts;
}
