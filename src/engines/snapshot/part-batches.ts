import type { PartLine } from "../../repository/part-list-lines.ts";

// What a batch costs (messages between threads, waiting for reads) is nothing beside so many parts.
const MOST_PARTS = 256;
// As text or stored: no more than one part may have, unless it is a single long row.
const MOST_BYTES = 2 * 1024 * 1024;

/** Whether a part is held whole; the others are streams. */
export function isHeld({ bytes, size }: PartLine): boolean {
  return bytes <= MOST_BYTES && size <= MOST_BYTES;
}

/**
 * Parts, in their order, in batches that are held together or consist of one part that is not held. What came before a
 * failure is given before it is thrown.
 */
export async function* batchesOf(parts: AsyncIterable<PartLine>): AsyncGenerator<readonly PartLine[]> {
  let batch: PartLine[] = [];
  let bytes = 0;
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const part of parts) {
      const more = Math.max(part.bytes, part.size);
      if (batch.length === MOST_PARTS || (batch.length > 0 && bytes + more > MOST_BYTES)) {
        yield batch;
        batch = [];
        bytes = 0;
      }
      batch.push(part);
      bytes += more;
    }
  } catch (error) {
    failure = { error };
  }
  if (batch.length > 0) yield batch;
  if (failure !== undefined) throw failure.error;
}
