import {
  type BackupId,
  BackupId as BackupIdSchema,
  type SnapshotContent,
  type SnapshotTable,
} from "../../src/repository/manifest.ts";
import { contentKey, indexKey, tablesKey } from "../../src/repository/layout.ts";
import {
  encodeManifest,
  readContent,
  readIndex,
  readTables,
  type SnapshotHead,
} from "../../src/repository/manifests.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import { noAbort, testRuntime } from "./runtime.ts";

/** What is known of a snapshot, for a test to change. */
export interface Manifest {
  head: SnapshotHead;
  tables: SnapshotTable[];
  content: SnapshotContent;
}

export interface Whereabouts {
  /** Folder of the repository. */
  readonly repository: string;
  readonly name: string;
  readonly id: string;
}

export async function readManifest(
  where: Whereabouts,
): Promise<Manifest & { repository: Repository; backup: BackupId }> {
  const signal = noAbort();
  const repository = await openRepository(
    testRuntime(),
    openStorage(testRuntime(), where.repository),
    signal,
  );
  const backup = BackupIdSchema.parse(where.id);
  const index = await readIndex(repository, where.name, backup, signal);
  if (index.kind !== "snapshot") throw new Error(`${where.id} is no snapshot`);
  const tables = await readTables(repository, index, signal);
  const content = await readContent(repository, index, signal);
  const { format: _, tables: _tables, content: _content, checksum: _checksum, ...head } = index;
  return { repository, backup, head, tables, content };
}

/** Writes another manifest in the place of a snapshot's, with sizes and hashes that are right for it: a lie. */
export async function rewriteManifest(
  where: Whereabouts,
  change: (manifest: Manifest) => Manifest,
): Promise<void> {
  const { repository, backup, ...manifest } = await readManifest(where);
  const { head, tables, content } = change(manifest);
  const encoded = encodeManifest(head, tables, content);
  const { storage } = repository;
  await storage.put(indexKey(where.name, backup), encoded.indexData, noAbort());
  await storage.put(tablesKey(where.name, backup), encoded.tablesData, noAbort());
  await storage.put(contentKey(where.name, backup), encoded.contentData, noAbort());
}
