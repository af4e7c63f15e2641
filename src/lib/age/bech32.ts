import { AppError } from "../../errors.ts";

// Bech32 (https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki), as age writes keys: without the limit of 90
// characters, and with a payload of whole bytes.

const CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM = 6;

/** Bytes as `prefix1…`, in lower case. */
export function encodeBech32(prefix: string, data: Uint8Array): string {
  const words = regroup(data, 8, 5, true);
  const check = polymod([...expand(prefix), ...words, ...Array.from({ length: CHECKSUM }, () => 0)]) ^ 1;
  const sums = Array.from({ length: CHECKSUM }, (_, n) => (check >>> (5 * (CHECKSUM - 1 - n))) & 31);
  return `${prefix}1${[...words, ...sums].map((word) => CHARSET.charAt(word)).join("")}`;
}

/** The bytes of a text with this prefix, all in one case. Throws `usage` with what is wrong, never with the text itself. */
export function decodeBech32(prefix: string, text: string): Buffer {
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) throw malformed("it mixes upper and lower case");
  if (!lower.startsWith(`${prefix}1`)) throw malformed(`it does not begin with ${prefix}1`);
  const words = Array.from(lower.slice(prefix.length + 1), (char) => CHARSET.indexOf(char));
  if (words.includes(-1)) throw malformed("it has a character that keys do not have");
  if (words.length < CHECKSUM || polymod([...expand(prefix), ...words]) !== 1)
    throw malformed("its checksum is wrong: a character is missing or mistyped");
  return Buffer.from(regroup(words.slice(0, -CHECKSUM), 5, 8, false));
}

function malformed(reason: string): AppError {
  return new AppError("usage", `read a key: ${reason}`);
}

function expand(prefix: string): number[] {
  const codes = Array.from(prefix, (char) => char.charCodeAt(0));
  return [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
}

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, generator] of GENERATOR.entries()) if ((top >>> bit) & 1) sum ^= generator;
  }
  return sum >>> 0;
}

/** Bits in groups of another length; what is left over must be zeros, less than a group. */
function regroup(values: Iterable<number>, from: number, to: number, pad: boolean): number[] {
  const groups: number[] = [];
  let held = 0;
  let bits = 0;
  for (const value of values) {
    held = (held << from) | value;
    bits += from;
    for (; bits >= to; bits -= to) groups.push((held >>> (bits - to)) & ((1 << to) - 1));
    held &= (1 << bits) - 1;
  }
  if (pad && bits > 0) groups.push((held << (to - bits)) & ((1 << to) - 1));
  if (!pad && (bits >= from || held !== 0)) throw malformed("its last character is wrong");
  return groups;
}
