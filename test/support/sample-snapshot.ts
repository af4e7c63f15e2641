import { createHash } from "node:crypto";
import { compressFrames, decompressFrames } from "../../src/lib/zstd-frames.ts";
import { type NewSnapshot, publishSnapshot } from "../../src/repository/backups.ts";
import { knownParts } from "../../src/repository/known-parts.ts";
import type { Lease } from "../../src/repository/lease.ts";
import type { SnapshotIndex, SnapshotTable } from "../../src/repository/manifest.ts";
import { readTables } from "../../src/repository/manifests.ts";
import type { PartLine, PartRange } from "../../src/repository/part-list-lines.ts";
import { readPartList, startPartList } from "../../src/repository/part-lists.ts";
import { textHashOf } from "../../src/repository/part-names.ts";
import { readPart, writePart } from "../../src/repository/parts.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { sampleBackup } from "./sample-backup.ts";

export interface SampleSnapshot {
  readonly id: string;
  /** By table: the text of each part. */
  readonly tables: Readonly<Record<string, readonly string[]>>;
}

/** A believable head and content; the tables come from what was stored. */
export function snapshotOf(id: string, tables: readonly SnapshotTable[]): NewSnapshot {
  const { head, content } = sampleBackup({ id });
  const { archive: _, kind: _kind, ...shared } = head;
  return {
    head: {
      ...shared,
      kind: "snapshot",
      snapshot: {
        parts: { read: 1, reused: 0 },
        readBytes: 4,
        reusedBytes: 0,
        newParts: 1,
        newBytes: 20,
        namedBytes: 20,
        sample: { read: 0, differing: 0 },
        fullRead: "there is no snapshot before it",
        baseline: null,
      },
    },
    tables,
    content: { ...content, schemaArchive: Buffer.from("PGDMP").toString("base64") },
  };
}

/** Takes a snapshot the way a real run does: known parts, new parts, part lists, manifest. */
export async function takeSampleSnapshot(
  repository: Repository,
  lease: Lease,
  { id, tables }: SampleSnapshot,
  signal: AbortSignal,
): Promise<SnapshotIndex> {
  const database = "shop";
  const known = await knownParts(repository, database, signal);
  const lines: SnapshotTable[] = [];
  for (const [name, texts] of Object.entries(tables)) {
    const header = {
      format: 1,
      schema: "public",
      name,
      columns: ["id"],
      copy: `COPY "public"."${name}" ("id") FROM STDIN`,
      rangeBlocks: 1024,
    };
    await using list = startPartList(repository, database, header, signal);
    for (const [number, text] of texts.entries()) {
      const hash = createHash("sha256").update(text).digest("hex");
      const part =
        known.find(hash) ??
        (await writePart(repository, database, hash, compressFrames(Buffer.from(text), 3), signal));
      known.add(part);
      await list.add(rangeOf(number, { ...part, rows: 1, bytes: text.length, digest: "0".repeat(32) }));
    }
    const empty = { parts: 0, bytes: 0 };
    lines.push({
      schema: "public",
      name,
      rows: texts.length,
      bytes: texts.join("").length,
      digest: "0".repeat(32),
      partList: await list.finish(),
      identity: null,
      read: empty,
      reused: empty,
      note: null,
    });
  }
  return await publishSnapshot(repository, snapshotOf(id, lines), lease, signal);
}

export function rangeOf(number: number, ...parts: readonly PartLine[]): PartRange {
  return {
    from: number * 1024,
    to: null,
    rows: parts.length,
    parts: [...parts],
    identity: { hash: "-12345", generation: 3, readAt: "2024-12-11T14:30:22.000Z" },
  };
}

/** Reads every byte that a snapshot names; throws when any is missing or wrong. Returns the texts of its parts. */
export async function readSnapshot(
  repository: Repository,
  index: SnapshotIndex,
  signal: AbortSignal,
): Promise<string[]> {
  const texts: string[] = [];
  for (const { partList } of await readTables(repository, index, signal)) {
    if (partList === null) continue;
    const { ranges } = await readPartList(repository, index.database, partList, signal);
    for await (const { parts } of ranges) {
      for (const part of parts) {
        const chunks: Buffer[] = [];
        for await (const chunk of await readPart(repository, index.database, part, signal)) {
          chunks.push(chunk as Buffer);
        }
        const text = Buffer.concat([...decompressFrames(Buffer.concat(chunks))]);
        const hash = createHash("sha256").update(text).digest("hex");
        if (hash !== textHashOf(part.name)) throw new Error(`part ${part.name} has another text`);
        texts.push(text.toString());
      }
    }
  }
  return texts;
}
