import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { contentKey, indexKey, tablesKey } from "../../src/repository/layout.ts";
import { type EncodedManifest, encodeManifest } from "../../src/repository/manifests.ts";
import { sampleBackup } from "./sample-backup.ts";
import { snapshotOf } from "./sample-snapshot.ts";

const FIRST = Date.parse("2023-01-01T00:00:00Z");
const APART_MS = 60 * 60 * 1000;

/**
 * Makes a repository in a folder with this many backups of `shop`, an hour apart, archives and snapshots in turn. Written
 * as files, for the way that real runs take would take long. Returns their ids, oldest first.
 */
export function fillRepository(folder: string, backups: number): string[] {
  const createdAt = new Date(FIRST).toISOString();
  const id = "0d0f4b1c-9a56-4c6b-8a3b-0e6f3f4f7a11";
  writeFileSync(join(folder, "repository.json"), `${JSON.stringify({ format: 1, id, createdAt })}\n`);
  const write = (key: string, data: Buffer): void => {
    mkdirSync(dirname(join(folder, key)), { recursive: true });
    writeFileSync(join(folder, key), data);
  };
  return Array.from({ length: backups }, (_, n) => {
    const at = new Date(FIRST + n * APART_MS).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    const name = `${at}-${n.toString(16).padStart(4, "0").slice(-4)}`;
    const { archive, head, tables, content } = sampleBackup({ id: name });
    if (n % 2 === 0) write(head.archive.key, archive);
    const manifest: EncodedManifest =
      n % 2 === 0 ? encodeManifest(head, tables, content) : encodeSnapshot(name);
    const { index } = manifest;
    write(tablesKey(index.database, index.id), manifest.tablesData);
    write(contentKey(index.database, index.id), manifest.contentData);
    write(indexKey(index.database, index.id), manifest.indexData);
    return name;
  });
}

function encodeSnapshot(id: string): EncodedManifest {
  const { head, tables, content } = snapshotOf(id, []);
  const baseline = {
    generation: 7,
    xmin: "91823",
    xmax: "91829",
    marker: { xids: Array.from({ length: 64 }, (_, n) => String(91_830 + n)), bits: "01".repeat(32) },
    secret: 1_823_772_011,
    role: "backup",
    settings: "DateStyle=ISO, YMD;IntervalStyle=postgres;TimeZone=UTC;bytea_output=hex;extra_float_digits=3",
  };
  return encodeManifest({ ...head, snapshot: { ...head.snapshot, baseline } }, tables, content);
}
