import { PayloadOpener, PayloadSealer } from "../src/lib/age/payload.ts";
import { newIdentity } from "../src/lib/age/keys.ts";
import { openWhole, sealWhole } from "../src/repository/sealing/sealed-object.ts";

// Encryption on one core: `node bench/seal.ts [MB]`. The goal is 500 MB/s for payloads; a part of a snapshot, a tenth of a
// megabyte, is mostly its header.

const megabytes = Number(process.argv[2] ?? 256);
const PIECE = Buffer.alloc(1024 * 1024, 7);
const PART = Buffer.alloc(100 * 1024, 7);
const fileKey = Buffer.alloc(16, 1);
const identity = newIdentity();

/** Seconds of processor time, of this thread alone. */
function cpu(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const sealed: Buffer[] = [];
const sealing = cpu(() => {
  const sealer = new PayloadSealer(fileKey);
  for (let n = 0; n < megabytes; n++) {
    const pieces = sealer.update(PIECE);
    if (n < 16) sealed.push(...pieces);
  }
  sealer.end();
});
const opening = cpu(() => {
  const opener = new PayloadOpener(fileKey);
  for (const piece of sealed) opener.update(piece);
});
const parts = 1000;
const objects: Buffer[] = [];
const wrapping = cpu(() => {
  for (let n = 0; n < parts; n++) objects.push(sealWhole(PART, [identity.recipient]));
});
const unwrapping = cpu(() => {
  for (const object of objects) openWhole(object, [identity]);
});
const row = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(34)}${value}\n`);
row("seal a payload", `${(megabytes / sealing).toFixed(0)} MB/s`);
row("open a payload", `${(16 / opening).toFixed(0)} MB/s`);
row("seal a part of 100 KiB", `${((wrapping / parts) * 1000).toFixed(2)} ms`);
row("open a part of 100 KiB", `${((unwrapping / parts) * 1000).toFixed(2)} ms`);
