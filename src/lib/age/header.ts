import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { AppError } from "../../errors.ts";
import { type Identity, KEY_BYTES, publicKeyOf, rawOf, type Recipient } from "./keys.ts";

// The header of an age v1 file (https://age-encryption.org/v1): one stanza a recipient, each with the file key sealed to
// it, and a MAC over all of it under the file key.

const VERSION = "age-encryption.org/v1";
const X25519 = `${VERSION}/X25519`;
const FILE_KEY_BYTES = 16;
const WRAPPED_BYTES = FILE_KEY_BYTES + 16;
const NONCE = Buffer.alloc(12);
const COLUMNS = 64;
// A header is text of a few stanzas; a file that goes on like one for longer is none.
const LARGEST_HEADER = 64 * 1024;

/** One stanza: `-> type arguments`, then its body. */
export interface Stanza {
  /** The type first. */
  readonly words: readonly string[];
  readonly body: Buffer;
}

export interface Header {
  readonly stanzas: readonly Stanza[];
  /** Bytes of the header, to the first one of the payload. */
  readonly length: number;
  /** What the MAC is over, and the MAC. */
  readonly covered: Buffer;
  readonly mac: Buffer;
}

/**
 * The bytes of a header.
 * @param extra stanzas of types that readers pass over
 */
export function encodeHeader(
  fileKey: Buffer,
  recipients: readonly Recipient[],
  extra: readonly Stanza[] = [],
): Buffer {
  const stanzas = [...recipients.map((recipient) => wrap(fileKey, recipient)), ...extra];
  const covered = Buffer.from(`${VERSION}\n${stanzas.map(encodeStanza).join("")}---`);
  return Buffer.concat([covered, Buffer.from(` ${base64(macOf(fileKey, covered))}\n`)]);
}

// `-> X25519 `, 43 characters, a line feed, 43 characters, a line feed.
const STANZA_BYTES = 98;
// A space, 43 characters, a line feed.
const MAC_BYTES = 45;

/** Bytes of the header for so many recipients, without making it. */
export function headerSize(recipients: number, extra: readonly Stanza[]): number {
  const others = extra.reduce((sum, stanza) => sum + encodeStanza(stanza).length, 0);
  return `${VERSION}\n---`.length + recipients * STANZA_BYTES + others + MAC_BYTES;
}

/** The header at the beginning of these bytes; undefined while more are needed. Throws `backup_damaged`. */
export function parseHeader(bytes: Buffer): Header | undefined {
  const lines = linesOf(bytes);
  const first = lines.next().value;
  if (first === undefined) {
    // It must begin so, however little there is.
    const known = bytes.subarray(0, VERSION.length + 1);
    if (known.equals(Buffer.from(`${VERSION}\n`).subarray(0, known.length))) return undefined;
    throw damaged("it is no age file");
  }
  if (first.text !== VERSION) throw damaged("it is no age file of version 1");
  const stanzas: { words: string[]; body: string[]; open: boolean }[] = [];
  for (const { text, start, end } of lines) {
    const open = stanzas.at(-1);
    if (open?.open === true) {
      if (text.length > COLUMNS) throw damaged("a line of its header is too long");
      open.body.push(text);
      open.open = text.length === COLUMNS;
    } else if (text.startsWith("-> ")) {
      const words = text.slice(3).split(" ");
      if (words.some((word) => !/^[!-~]+$/.test(word))) throw damaged("its header is garbled");
      stanzas.push({ words, body: [], open: true });
    } else if (text.startsWith("--- ")) {
      if (stanzas.length === 0) throw damaged("its header names no recipient");
      const mac = decode(text.slice(4), KEY_BYTES);
      return {
        stanzas: stanzas.map(({ words, body }) => ({ words, body: decode(body.join("")) })),
        length: end,
        covered: bytes.subarray(0, start + 3),
        mac,
      };
    } else throw damaged("its header is garbled");
  }
  if (bytes.length > LARGEST_HEADER) throw damaged("its header does not end");
  return undefined;
}

/**
 * The file key, if one of the identities opens a stanza; undefined when none does. Throws `backup_damaged` when the
 * header is not the one that was written with it.
 */
export function openHeader(header: Header, identities: readonly Identity[]): Buffer | undefined {
  // What a passphrase opens, nothing else may.
  if (header.stanzas.length > 1 && header.stanzas.some(({ words: [type] }) => type === "scrypt"))
    throw damaged("its header is garbled");
  for (const stanza of header.stanzas) {
    if (stanza.words[0] !== "X25519") continue;
    for (const identity of identities) {
      const fileKey = unwrap(stanza, identity);
      if (fileKey === undefined) continue;
      return openWith(header, fileKey);
    }
  }
  return undefined;
}

/** The file key again, if the header is the one that was written with it. Throws `backup_damaged`. */
export function openWith(header: Header, fileKey: Buffer): Buffer {
  if (timingSafeEqual(macOf(fileKey, header.covered), header.mac)) return fileKey;
  throw damaged("its header was changed");
}

/**
 * HKDF with SHA-256 (RFC 5869). Keys are given as objects everywhere here: given as bytes they make ciphers and MACs of short
 * texts three times as slow, and half as slow again for a whole chunk.
 */
export function derive(key: Uint8Array, salt: Uint8Array, info: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync("sha256", createSecretKey(key), salt, info, 32)));
}

export function damaged(reason: string): AppError {
  return new AppError("backup_damaged", `open a sealed object: ${reason}`);
}

export const base64 = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");

/** Strict: only one text stands for the same bytes. */
export function decode(text: string, length?: number): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (base64(bytes) !== text || (length !== undefined && bytes.length !== length))
    throw damaged("its header is garbled");
  return bytes;
}

function wrap(fileKey: Buffer, recipient: Recipient): Stanza {
  const { privateKey } = generateKeyPairSync("x25519");
  const share = rawOf(createPublicKey(privateKey), "x");
  const shared = diffieHellman({ privateKey, publicKey: recipient.key });
  const key = derive(shared, Buffer.concat([share, recipient.raw]), X25519);
  return { words: ["X25519", base64(share)], body: sealFileKey(key, fileKey) };
}

function unwrap({ words, body }: Stanza, { key, recipient }: Identity): Buffer | undefined {
  if (words.length !== 2 || body.length !== WRAPPED_BYTES) throw damaged("its header is garbled");
  const share = decode(words[1] ?? "", KEY_BYTES);
  let shared: Buffer;
  try {
    shared = diffieHellman({ privateKey: key, publicKey: publicKeyOf(share) });
  } catch {
    // A point of small order: the shared secret would be zeros.
    throw damaged("its header is garbled");
  }
  return openFileKey(derive(shared, Buffer.concat([share, recipient.raw]), X25519), body);
}

/** The file key under a key that is used once. */
function sealFileKey(key: KeyObject, fileKey: Buffer): Buffer {
  const cipher = createCipheriv("chacha20-poly1305", key, NONCE, { authTagLength: 16 });
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

/** Undefined where it is not this key. */
export function openFileKey(key: KeyObject, body: Buffer): Buffer | undefined {
  if (body.length !== WRAPPED_BYTES) throw damaged("its header is garbled");
  const decipher = createDecipheriv("chacha20-poly1305", key, NONCE, { authTagLength: 16 });
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES));
  try {
    return Buffer.concat([decipher.update(body.subarray(0, FILE_KEY_BYTES)), decipher.final()]);
  } catch {
    // It belongs to another recipient.
    return undefined;
  }
}

function macOf(fileKey: Buffer, covered: Buffer): Buffer {
  return createHmac("sha256", derive(fileKey, Buffer.alloc(0), "header"))
    .update(covered)
    .digest();
}

function encodeStanza({ words, body }: Stanza): string {
  const text = base64(body);
  const lines: string[] = [];
  // The last line is shorter than the others, and be it empty.
  for (let at = 0; at <= text.length; at += COLUMNS) lines.push(text.slice(at, at + COLUMNS));
  return `-> ${words.join(" ")}\n${lines.join("\n")}\n`;
}

function* linesOf(bytes: Buffer): Generator<{ text: string; start: number; end: number }, undefined> {
  for (let start = 0; ; ) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return undefined;
    yield { text: bytes.toString("latin1", start, end), start, end: end + 1 };
    start = end + 1;
  }
}
