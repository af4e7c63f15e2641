import { createSecretKey, scryptSync } from "node:crypto";
import { AppError } from "../../errors.ts";
import { decode, openFileKey, openWith, parseHeader } from "./header.ts";
import { PayloadOpener } from "./payload.ts";

// age files that a passphrase opens (https://age-encryption.org/v1, "The scrypt recipient type"), as `age -p` writes them
// around an identity file; and their text form ("ASCII armor").

const LABEL = "age-encryption.org/v1/scrypt";
const ARMOR =
  /^-----BEGIN AGE ENCRYPTED FILE-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END AGE ENCRYPTED FILE-----\s*$/;
const SALT_BYTES = 16;
// 2^22 takes 4 GiB of memory; age itself writes 2^18, a quarter of one.
const MOST_WORK = 22;
const R = 8;

/** Whether these bytes are an age file, as bytes or as text. */
export function isAgeFile(data: Buffer): boolean {
  const begin = data.toString("latin1", 0, 40);
  return begin.startsWith("age-encryption.org/") || begin.startsWith("-----BEGIN AGE ENCRYPTED");
}

/**
 * What is in a file that a passphrase protects. Throws `wrong_key` for another passphrase, and where none would open it,
 * `backup_damaged` for a file that was changed.
 */
export function openByPassphrase(data: Buffer, passphrase: string): Buffer {
  const file = unarmored(data);
  const header = parseHeader(file);
  const [stanza, ...others] = header?.stanzas ?? [];
  if (
    header === undefined ||
    stanza?.words[0] !== "scrypt" ||
    others.length > 0 ||
    stanza.words.length !== 3
  ) {
    throw new AppError("wrong_key", "open it by a passphrase: it is sealed to a key, not to a passphrase");
  }
  const work = Number(/^[1-9]\d?$/.exec(stanza.words[2] ?? "")?.[0] ?? 99);
  if (work > MOST_WORK)
    throw new AppError("wrong_key", `open it by a passphrase: it wants more work than 2^${MOST_WORK}`);
  const salt = Buffer.concat([Buffer.from(LABEL), decode(stanza.words[1] ?? "", SALT_BYTES)]);
  const N = 2 ** work;
  const key = scryptSync(passphrase, salt, 32, { N, r: R, p: 1, maxmem: 256 * N * R });
  const fileKey = openFileKey(createSecretKey(key), stanza.body);
  if (fileKey === undefined) throw new AppError("wrong_key", "open it by a passphrase: this is not the one");
  const opener = new PayloadOpener(openWith(header, fileKey));
  return Buffer.concat([...opener.update(file.subarray(header.length)), opener.end()]);
}

function unarmored(data: Buffer): Buffer {
  const text = data.toString("latin1");
  if (!text.startsWith("-----BEGIN")) return data;
  const body = ARMOR.exec(text)?.[1];
  if (body === undefined)
    throw new AppError("backup_damaged", "open it by a passphrase: its text is cut or changed");
  return Buffer.from(body.replaceAll(/\s/g, ""), "base64");
}
