const NEWLINE = 0x0a;
// Read on either side of a row's end to tell it from others.
const SIDE = 8;

/**
 * Where to cut a text of rows: behind one of those that end between `least` and the end of the text, the one whose
 * surroundings hash lowest. So the cut depends on the rows near it and hardly on where the text began: after a change in one
 * place the next cuts fall where they fell before, and what lies between them is stored already (local minimum chunking:
 * Bjørner, Blass and Gurevich, "Content-dependent chunking for differential compression, the local maximum approach",
 * Journal of Computer and System Sciences 76, 2010).
 * @param text rows, each with its line feed; the last one may be cut off
 * @param least at least so many bytes, where any row ends there
 * @returns the number of bytes up to the cut; 0 where no row ends in the text
 */
export function cutByContent(text: Buffer, least: number): number {
  let best = 0;
  let lowest = Number.POSITIVE_INFINITY;
  const first = Math.max(SIDE, least) - 1;
  for (let at = text.indexOf(NEWLINE, first); at !== -1; at = text.indexOf(NEWLINE, at + 1)) {
    if (at + SIDE >= text.length) break;
    const hash = hashAround(text, at);
    if (hash >= lowest) continue;
    lowest = hash;
    best = at + 1;
  }
  return best === 0 ? text.lastIndexOf(NEWLINE) + 1 : best;
}

/** Of the eight bytes before a line feed and the eight behind it. Multipliers and shifts as in MurmurHash3's 32-bit one. */
function hashAround(text: Buffer, at: number): number {
  let hash = Math.imul(text.readUInt32LE(at - 8) ^ text.readUInt32LE(at + 1), 0xcc9e2d51);
  hash = Math.imul(hash ^ (hash >>> 15) ^ text.readUInt32LE(at - 4), 0x1b873593);
  hash = Math.imul(hash ^ (hash >>> 13) ^ text.readUInt32LE(at + 5), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
