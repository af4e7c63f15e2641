import {
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { AppError, inOperation } from "../../errors.ts";
import { decodeBech32, encodeBech32 } from "./bech32.ts";

// X25519 keys as age writes them (https://age-encryption.org/v1, "The X25519 recipient type").

const RECIPIENT = "age";
const IDENTITY = "age-secret-key-";
export const KEY_BYTES = 32;

/** Whom something can be sealed to. */
export interface Recipient {
  /** `age1…`. */
  readonly text: string;
  readonly raw: Buffer;
  readonly key: KeyObject;
}

/** What opens it again. */
export interface Identity {
  /** `AGE-SECRET-KEY-1…`: a secret. */
  readonly text: string;
  readonly key: KeyObject;
  readonly recipient: Recipient;
}

/** A new identity from the system's random numbers. */
export function newIdentity(): Identity {
  const { privateKey } = generateKeyPairSync("x25519");
  return identityOf(rawOf(privateKey, "d"));
}

/** Reads `age1…`. Throws `usage` that says what is wrong with it. */
export function parseRecipient(text: string): Recipient {
  if (text.toLowerCase().startsWith(IDENTITY)) {
    throw new AppError("usage", "read a recipient: it is an identity, which must stay secret", {
      hint: "recipients begin with age1; `age-keygen -y FILE` shows that of an identity",
    });
  }
  try {
    const raw = decodeBech32(RECIPIENT, text);
    if (raw.length !== KEY_BYTES) throw new AppError("usage", "read a key: it has another length");
    const recipient = recipientOf(raw);
    // A point of small order would give a shared secret that everybody knows.
    diffieHellman({ privateKey: newIdentity().key, publicKey: recipient.key });
    return recipient;
  } catch (error) {
    throw new AppError("usage", `read recipient ${text.slice(0, 70)}: ${reasonOf(error)}`, {
      cause: error,
      hint: "recipients look like age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudvfca2qpff9nm; `handled key new` makes one",
    });
  }
}

/** Reads `AGE-SECRET-KEY-1…`. Throws `usage`, never with the text. */
export function parseIdentity(text: string): Identity {
  try {
    const raw = decodeBech32(IDENTITY, text);
    if (raw.length !== KEY_BYTES) throw new AppError("usage", "read a key: it has another length");
    return identityOf(raw);
  } catch (error) {
    throw inOperation("read an identity", error);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AppError) return error.message.replace(/^read a key: /, "");
  return "nothing can be sealed to this point";
}

function identityOf(raw: Buffer): Identity {
  // RFC 8410: the private key as PKCS #8.
  const key = createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), raw]),
    format: "der",
    type: "pkcs8",
  });
  return {
    text: encodeBech32(IDENTITY, raw).toUpperCase(),
    key,
    recipient: recipientOf(rawOf(createPublicKey(key), "x")),
  };
}

/** The recipient of 32 raw bytes. */
function recipientOf(raw: Buffer): Recipient {
  return { text: encodeBech32(RECIPIENT, raw), raw, key: publicKeyOf(raw) };
}

/** A point of the curve as a key. */
export function publicKeyOf(raw: Uint8Array): KeyObject {
  // RFC 8037. Faster than DER, above all back again, which counts: every object has a key of its own.
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "X25519", x }, format: "jwk" });
}

/** The 32 bytes of a key. */
export function rawOf(key: KeyObject, part: "d" | "x"): Buffer {
  return Buffer.from(key.export({ format: "jwk" })[part] ?? "", "base64url");
}
