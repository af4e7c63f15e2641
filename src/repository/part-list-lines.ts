import { z } from "zod";
import { PartName, rowDigest } from "./manifest.ts";

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** First line of a part list: the table. */
export const PartListHeader = z.strictObject({
  format: z.int().min(1),
  schema: z.string(),
  name: z.string(),
  /** The columns in the parts' text, in its order. */
  columns: z.array(z.string()),
  /** The statement that takes the parts' text: `COPY "s"."t" ("a","b") FROM STDIN`. */
  copy: z.string(),
  /** Blocks a range has; null where the table is not cut. */
  rangeBlocks: z.int().min(1).nullable(),
});
export type PartListHeader = z.infer<typeof PartListHeader>;

/** One part of a range. */
export const PartLine = z.strictObject({
  name: PartName,
  /** Bytes and SHA-256 as stored. */
  size: count,
  sha256,
  rows: count,
  /** Bytes of the COPY text. */
  bytes: count,
  digest: rowDigest,
});
export type PartLine = z.infer<typeof PartLine>;

/** Any other line of a part list: a range of blocks, in the order of the blocks. */
export const PartRange = z.strictObject({
  /** First block, and the one after the last; null: to the end, wherever it was. */
  from: count,
  to: count.nullable(),
  rows: count,
  /** In the order of the rows; empty when the range has none. */
  parts: z.array(PartLine),
  /** What a later snapshot compares before it takes over the range unread; null: it must be read. */
  identity: z
    .strictObject({
      /** Of all visible tuples' places and transactions, 64 bits in decimal; null where it was not asked for. */
      hash: z
        .string()
        .regex(/^-?\d{1,20}$/)
        .nullable(),
      /**
       * The generation (of the snapshot's baseline) that last read it; how often it was reused since is the difference.
       * Stays as it is while the range is reused, so that the list of an unchanged table stays the same text.
       */
      generation: z.int().min(1),
      readAt: z.iso.datetime(),
    })
    .nullable(),
});
export type PartRange = z.infer<typeof PartRange>;
