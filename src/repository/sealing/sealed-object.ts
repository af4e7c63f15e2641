import { createHash, randomBytes } from "node:crypto";
import { AppError } from "../../errors.ts";
import {
  base64,
  encodeHeader,
  type Header,
  headerSize,
  openHeader,
  parseHeader,
} from "../../lib/age/header.ts";
import type { Identity, Recipient } from "../../lib/age/keys.ts";
import { PayloadOpener, PayloadSealer, payloadSize, textSize } from "../../lib/age/payload.ts";

/**
 * Bytes of every header, whoever it is sealed to. So the size of an object tells the size of what is in it, and a header
 * that is written anew for other recipients changes no size that is recorded anywhere.
 */
export const HEADER_BYTES = 1024;
/** So many keys fit. */
const MOST_KEYS = 9;
const PADDING = "handled-payload";
const FILE_KEY_BYTES = 16;

export const newFileKey = (): Buffer => randomBytes(FILE_KEY_BYTES);

/** Bytes as stored of an object with so many bytes of text. */
export const sealedSize = (text: number): number => HEADER_BYTES + payloadSize(text);

/** Bytes of text in an object of this size; negative for what no object of ours has. */
export const sizeInside = (stored: number): number => textSize(stored - HEADER_BYTES);

/**
 * A header of the size that all have. The stanza that fills it up, which age passes over, carries the payload's SHA-256
 * where it is known: so bytes that rotted are found without any key.
 */
export function sealedHeader(
  fileKey: Buffer,
  recipients: readonly Recipient[],
  sha256: Buffer | null,
): Buffer {
  if (recipients.length > MOST_KEYS) {
    throw new AppError("usage", `seal to ${recipients.length} keys: ${MOST_KEYS} are possible`, {
      hint: "recipients and hosts count together; take one out",
    });
  }
  const stanza = (padding: string) => ({
    words: [PADDING, sha256 === null ? "-" : base64(sha256), padding],
    body: Buffer.alloc(0),
  });
  const shortest = headerSize(recipients.length, [stanza("0")]);
  return encodeHeader(fileKey, recipients, [stanza("0".repeat(HEADER_BYTES - shortest + 1))]);
}

/** A whole object of these bytes. */
export function sealWhole(text: Uint8Array, recipients: readonly Recipient[]): Buffer {
  const fileKey = newFileKey();
  const sealer = new PayloadSealer(fileKey);
  const pieces = [...sealer.update(text), ...sealer.end()];
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return Buffer.concat([sealedHeader(fileKey, recipients, hash.digest()), ...pieces]);
}

/**
 * The same object for other recipients: only its header is new, and its payload stays byte for byte. Undefined where none
 * of the identities opens it.
 * @param stored the object, or as much of it from its beginning as has all of the header
 */
export function rewrapped(
  stored: Buffer,
  identities: readonly Identity[],
  recipients: readonly Recipient[],
): Buffer | undefined {
  const header = parseHeader(stored);
  if (header === undefined) throw new AppError("backup_damaged", "open a sealed object: its end is missing");
  const fileKey = openHeader(header, identities);
  if (fileKey === undefined) return undefined;
  const payload = stored.subarray(header.length);
  return Buffer.concat([sealedHeader(fileKey, recipients, payloadHashOf(header)), payload]);
}

/** Whether the part of a header that needs no key is as we write it. */
export function isOurHeader({ length, stanzas }: Header): boolean {
  const [, hash = "", padding = ""] = stanzas.find(({ words: [type] }) => type === PADDING)?.words ?? [];
  return length === HEADER_BYTES && /^(?:-|[A-Za-z0-9+/]{43})$/.test(hash) && /^0+$/.test(padding);
}

/** The SHA-256 of the payload that a header of ours carries; null where it was not known when it was written. */
export function payloadHashOf({ stanzas }: Header): Buffer | null {
  const known = stanzas.find(({ words: [type] }) => type === PADDING)?.words[1];
  return known === undefined || known === "-" ? null : Buffer.from(known, "base64");
}

/** Opens an object that comes in pieces. Throws `backup_damaged`, and `wrong_key` where no identity opens it. */
export class ObjectOpener {
  readonly #identities: readonly Identity[];
  #head: Buffer = Buffer.alloc(0);
  #payload: PayloadOpener | undefined;

  constructor(identities: readonly Identity[]) {
    this.#identities = identities;
  }

  update(bytes: Uint8Array): Buffer[] {
    if (this.#payload !== undefined) return this.#payload.update(bytes);
    const isFirst = this.#head.length === 0;
    const head = isFirst ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : this.#joined(bytes);
    const header = parseHeader(head);
    if (header === undefined) {
      this.#head = this.#joined(bytes);
      return [];
    }
    this.#payload = new PayloadOpener(fileKeyOf(header, this.#identities));
    return this.#payload.update(head.subarray(header.length));
  }

  /** A copy: the caller may use its memory again. */
  #joined(bytes: Uint8Array): Buffer {
    return Buffer.concat([this.#head, bytes]);
  }

  end(): Buffer {
    if (this.#payload !== undefined) return this.#payload.end();
    throw new AppError("backup_damaged", "open a sealed object: its end is missing");
  }
}

/** The text of a whole object. */
export function openWhole(stored: Uint8Array, identities: readonly Identity[]): Buffer {
  const opener = new ObjectOpener(identities);
  return Buffer.concat([...opener.update(stored), opener.end()]);
}

/** Throws `wrong_key`. */
function fileKeyOf(header: Header, identities: readonly Identity[]): Buffer {
  const fileKey = openHeader(header, identities);
  if (fileKey !== undefined) return fileKey;
  throw new AppError("wrong_key", "open a sealed object: no key that is known here opens it", {
    hint: "only an identity opens it: name its file with `--identity FILE` or in HANDLED_IDENTITY",
  });
}
