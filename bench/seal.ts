import { createCipheriv, createDecipheriv, createSecretKey } from "node:crypto";
import { newIdentity } from "../src/lib/age/keys.ts";
import { CHUNK, PayloadOpener, PayloadSealer } from "../src/lib/age/payload.ts";
import { openWhole, sealWhole } from "../src/repository/sealing/sealed-object.ts";

// Encryption on one core: `node bench/seal.ts [MB]`. The goal is 500 MB/s for payloads; a part of a snapshot, a tenth of a
// megabyte, is mostly its header. What node's cipher takes for the same chunks, and nothing else, is measured in turns with
// it: on a busy machine only the ratio tells something.

const MEGABYTE = 1024 * 1024;
const ROUNDS = 7;
const megabytes = Math.ceil(Number(process.argv[2] ?? 256) / ROUNDS);
const PIECE = Buffer.alloc(MEGABYTE, 7);
const PART = Buffer.alloc(100 * 1024, 7);
const fileKey = Buffer.alloc(16, 1);
const identity = newIdentity();

/** Seconds of processor time, of this process. */
function cpu(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const ALGORITHM = "chacha20-poly1305";
const OPTIONS = { authTagLength: 16 } as const;
const key = createSecretKey(Buffer.alloc(32, 1));
const nonce = Buffer.alloc(12);
const chunks = Array.from({ length: MEGABYTE / CHUNK }, (_, n) => PIECE.subarray(n * CHUNK, (n + 1) * CHUNK));

function encrypt(chunk: Buffer): { readonly sealed: Buffer; readonly tag: Buffer } {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
  const sealed = cipher.update(chunk);
  cipher.final();
  return { sealed, tag: cipher.getAuthTag() };
}

const encrypted = encrypt(PIECE.subarray(0, CHUNK));
const sealer = new PayloadSealer(fileKey);
const payload = Buffer.concat([...sealer.update(PIECE), ...sealer.end()]);
const inTurns = {
  "node's cipher alone": () => {
    for (let n = 0; n < megabytes; n++) for (const chunk of chunks) encrypt(chunk);
  },
  "seal a payload": () => {
    const sealing = new PayloadSealer(fileKey);
    for (let n = 0; n < megabytes; n++) sealing.update(PIECE);
    sealing.end();
  },
  "node's decipher alone": () => {
    for (let n = 0; n < megabytes * chunks.length; n++) {
      const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS);
      decipher.setAuthTag(encrypted.tag);
      decipher.update(encrypted.sealed);
      decipher.final();
    }
  },
  "open a payload": () => {
    for (let n = 0; n < megabytes; n++) {
      const opening = new PayloadOpener(fileKey);
      opening.update(payload);
      opening.end();
    }
  },
} as const;

type Work = keyof typeof inTurns;
const works = Object.keys(inTurns) as Work[];
const seconds = new Map<Work, number[]>();
for (let round = 0; round < ROUNDS; round++)
  for (const work of works) seconds.set(work, [...(seconds.get(work) ?? []), cpu(inTurns[work])]);

const median = (work: Work): number =>
  seconds.get(work)?.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
const row = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(34)}${value}\n`);
const speed = (work: Work, alone: Work): void =>
  row(
    work,
    `${(megabytes / median(work)).toFixed(0)} MB/s, ${((100 * median(alone)) / median(work)).toFixed(0)} % of ${alone} (${(megabytes / median(alone)).toFixed(0)} MB/s)`,
  );
speed("seal a payload", "node's cipher alone");
speed("open a payload", "node's decipher alone");

const parts = 1000;
const objects: Buffer[] = [];
const wrapping = cpu(() => {
  for (let n = 0; n < parts; n++) objects.push(sealWhole(PART, [identity.recipient]));
});
const unwrapping = cpu(() => {
  for (const object of objects) openWhole(object, [identity]);
});
row("seal a part of 100 KiB", `${((wrapping / parts) * 1000).toFixed(2)} ms`);
row("open a part of 100 KiB", `${((unwrapping / parts) * 1000).toFixed(2)} ms`);
