import { createHash } from "node:crypto";
import { RowDigest } from "../../src/engines/snapshot/row-digest.ts";
import { compressFrames } from "../../src/lib/zstd-frames.ts";
import type { PartLine } from "../../src/repository/part-list-lines.ts";
import { writePart } from "../../src/repository/parts.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { noAbort } from "./runtime.ts";

/** Stores rows (COPY text, each with its line feed) as one part, the way a copy does. */
export async function storeRows(storage: Storage, database: string, text: Buffer): Promise<PartLine> {
  const hash = createHash("sha256").update(text).digest("hex");
  const part = await writePart({ storage }, database, hash, compressFrames(text, 3), noAbort());
  const digest = new RowDigest();
  digest.update(text);
  return { ...part, bytes: text.length, ...digest.finish() };
}
