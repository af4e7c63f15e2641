import { createHash } from "node:crypto";
import { startCopyThreads } from "../../src/engines/snapshot/copy-pool.ts";
import { SET_COPY_SETTINGS } from "../../src/engines/snapshot/session-settings.ts";
import { copyOutSql, listSourceTables } from "../../src/engines/snapshot/tables.ts";
import { readSignatures, type TypeSignature } from "../../src/engines/snapshot/type-signature.ts";
import { isAppError } from "../../src/errors.ts";
import { decompressFrames } from "../../src/lib/zstd-frames.ts";
import { takeSnapshot } from "../../src/operations/backup-snapshot.ts";
import { chooseClient, findClients } from "../../src/postgres/clients.ts";
import type { ConnectionSettings } from "../../src/postgres/connection.ts";
import { connect, quoteName, type Session } from "../../src/postgres/session.ts";
import { readTables } from "../../src/repository/backups.ts";
import { acquireLease } from "../../src/repository/lease.ts";
import type { SnapshotIndex, SnapshotTable } from "../../src/repository/manifest.ts";
import { readPartList } from "../../src/repository/part-lists.ts";
import { readPart } from "../../src/repository/parts.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { openFilesystem } from "../../src/storage/filesystem.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";
import type { Tally } from "./history-check.ts";

const never = noAbort();
const HOW = { kind: "snapshot", jobs: 1, fullRead: false } as const;
// Migrations in the middle of a snapshot: the program says so and takes none.
const REFUSALS = ["source_changed", "lock_timeout", "tool_failed", "query_failed"] as const;

/**
 * Takes whole snapshots, each built on the last one, as `handled backup` does, and compares each with all that there is in
 * it. Ends when told to, or when one is wrong.
 */
export async function checkEngine(
  settings: ConnectionSettings,
  folder: string,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  const runtime = testRuntime();
  const storage = openFilesystem(runtime, folder);
  const repository = await openOrCreateRepository(runtime, storage, never);
  await using lease = await acquireLease(runtime, repository, "shop", "model", never);
  const clients = await findClients(runtime, never);
  const request = {
    database: "shop",
    connection: settings,
    storage,
    schemas: null,
    schedule: null,
    how: HOW,
    prefix: "handled",
    timeZone: "UTC",
    lockTimeoutMs: 10_000,
    file: null,
    retention: { entries: {}, otherwise: undefined, garbageAgeMs: 0 },
  };
  while (!signal.aborted && tally.wrong.length === 0) {
    await using session = await connect(runtime, settings, never);
    await using observer = await connect(runtime, settings, never);
    await using threads = startCopyThreads(HOW.jobs);
    let truth: Truth | undefined;
    const watched = watch(session, async () => {
      truth = await readTruth(session, observer);
    });
    const client = chooseClient(clients, session.serverVersion);
    try {
      const index = await takeSnapshot(
        { runtime, request, repository, session: watched, client, lease },
        HOW,
        threads,
        never,
      );
      tally.snapshots += 1;
      await compare(repository, index, truth ?? new Map(), tally);
    } catch (error) {
      if (!REFUSALS.some((code) => isAppError(error, code))) throw error;
      tally.refused += 1;
    }
  }
}

/**
 * The session, with a look at everything just before its transaction ends; and with tables that seem to have long values
 * outside, so that they are cut into the smallest ranges there are.
 */
function watch(session: Session, beforeCommit: () => Promise<void>): Session {
  const query = async <Row extends object>(sql: string, params?: readonly unknown[]): Promise<Row[]> => {
    if (sql === "commit") await beforeCommit();
    const rows = await session.query<Row>(sql, params);
    return sql.includes("pg_table_size(c.oid) as bytes")
      ? rows.map((row) => ({ ...row, bytes: String(2 ** 40) }))
      : rows;
  };
  return new Proxy(session, {
    get: (target, key) => {
      if (key === "query") return query;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** SHA-256 of the text of each table that can be compared. */
type Truth = ReadonlyMap<string, string>;

async function readTruth(session: Session, observer: Session): Promise<Truth> {
  await session.query(SET_COPY_SETTINGS);
  const tables = (await listSourceTables(session, null)).filter((table) => table.select === undefined);
  const oids = tables.map(({ oid }) => oid);
  const before = await readSignatures(session, oids);
  const hashes = new Map<string, string>();
  for (const table of tables) {
    const hash = createHash("sha256");
    await session.copyOut(copyOutSql(table, { from: 0, to: null }), (chunk) => void hash.update(chunk));
    hashes.set(quoteName(table.schema, table.name), hash.digest("hex"));
  }
  // A type that was altered after the program looked is nothing that it could have known.
  const after = await readSignatures(observer, oids);
  const same = (a: TypeSignature | undefined, b: TypeSignature | undefined) => a?.signature === b?.signature;
  for (const { oid, schema, name } of tables)
    if (!same(before.get(oid), after.get(oid))) hashes.delete(quoteName(schema, name));
  return hashes;
}

async function compare(
  repository: Repository,
  index: SnapshotIndex,
  truth: Truth,
  tally: Tally,
): Promise<void> {
  tally.reused += index.snapshot.parts.reused;
  tally.read += index.snapshot.parts.read;
  if (index.snapshot.sample.differing > 0) tally.wrong.push(`${index.id}: ${index.snapshot.fullRead}`);
  for (const line of await readTables(repository, index, never)) {
    const name = quoteName(line.schema, line.name);
    const expected = truth.get(name);
    if (expected === undefined) continue;
    if ((await hashStored(repository, line)) !== expected)
      tally.wrong.push(`${index.id}: ${JSON.stringify(line)}`);
  }
}

async function hashStored(repository: Repository, { partList }: SnapshotTable): Promise<string> {
  const hash = createHash("sha256");
  if (partList === null) return hash.digest("hex");
  const { ranges } = await readPartList(repository, "shop", partList, never);
  for await (const { parts } of ranges) {
    for (const part of parts) {
      const stored: Buffer[] = [];
      for await (const chunk of await readPart(repository, "shop", part, never)) stored.push(chunk as Buffer);
      for (const text of decompressFrames(Buffer.concat(stored))) hash.update(text);
    }
  }
  return hash.digest("hex");
}
