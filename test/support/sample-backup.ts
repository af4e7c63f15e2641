import { createHash } from "node:crypto";
import type { NewBackup } from "../../src/repository/backups.ts";
import { publishBackup } from "../../src/repository/backups.ts";
import { databaseFolder } from "../../src/repository/layout.ts";
import type { Lease } from "../../src/repository/lease.ts";
import { BackupId, type BackupIndex } from "../../src/repository/manifest.ts";
import type { Repository } from "../../src/repository/repository.ts";

export interface Sample {
  readonly database?: string;
  readonly id: string;
  /** Default: `handled_<id>.sql.gz`. */
  readonly fileName?: string;
  readonly archive?: Buffer;
  readonly snapshotAt?: string;
  readonly schemas?: string[] | null;
  readonly schedule?: string;
}

/** A believable backup whose "archive" is a few bytes. */
export function sampleBackup(sample: Sample): NewBackup & { readonly archive: Buffer } {
  const { database = "shop", id, fileName = `handled_${id}.sql.gz`, snapshotAt, schemas = null } = sample;
  const archive = sample.archive ?? Buffer.from(`archive of ${id}`);
  const time = snapshotAt ?? timeOfId(id);
  return {
    archive,
    head: {
      id: BackupId.parse(id),
      database,
      kind: "archive",
      schedule: sample.schedule ?? null,
      startedAt: time,
      snapshotAt: time,
      finishedAt: time,
      durationMs: 1200,
      writtenBy: "handled 0.1.0",
      client: "pg_dump (PostgreSQL) 15.18",
      server: {
        version: "15.18",
        versionNumber: 150_018,
        systemIdentifier: "7447198724087432101",
        timeline: 1,
        database,
      },
      schemas,
      totals: { tables: 2, rows: 3, bytes: 50, storedBytes: archive.length, serverBytes: 16_384 },
      archive: {
        key: `${databaseFolder(database)}${fileName}`,
        format: "plain",
        compression: "gzip",
        size: archive.length,
        sha256: createHash("sha256").update(archive).digest("hex"),
      },
    },
    tables: [
      { schema: "public", name: "orders", rows: 3, bytes: 50 },
      { schema: "public", name: "a view", rows: null, bytes: 0 },
    ],
    content: {
      database: {
        owner: "ada",
        encoding: "UTF8",
        collate: "C",
        ctype: "C",
        localeProvider: "libc",
        locale: null,
        icuRules: null,
        connectionLimit: -1,
        comment: null,
        settings: [],
        grants: null,
      },
      extensions: [],
      roles: ["ada"],
      rolesSql: null,
      sequences: [{ schema: "public", name: "orders_id_seq", value: "3", called: true }],
    },
  };
}

/** Takes a sample backup the way a real run does: stage, finish, publish. */
export async function takeSample(
  repository: Repository,
  lease: Lease,
  sample: Sample,
  signal: AbortSignal,
): Promise<BackupIndex> {
  const backup = sampleBackup(sample);
  await using staged = await repository.storage.stage(backup.head.archive.key, signal);
  await staged.write(backup.archive);
  await staged.finish();
  return await publishBackup(repository, staged, backup, lease, signal);
}

/** `20241211T143022Z-7f3a` → `2024-12-11T14:30:22Z`. */
function timeOfId(id: string): string {
  const [date = "", time = ""] = id.split("T");
  const parts = [date.slice(0, 4), date.slice(4, 6), date.slice(6, 8)].join("-");
  return `${parts}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4, 6)}Z`;
}
