import { createHash } from "node:crypto";
import { AppError } from "../../errors.ts";
import { openHeader, parseHeader } from "../../lib/age/header.ts";
import { type Identity, parseIdentity } from "../../lib/age/keys.ts";
import { PayloadOpener } from "../../lib/age/payload.ts";
import type { SealKeys } from "../../storage/location.ts";
import type { Storage } from "../../storage/storage.ts";
import { damaged, getChecked, ofNamed, openChecked, type Wanted } from "../stored-parts.ts";
import { sealClassOf, shouldOpen } from "./classes.ts";
import { HEADER_BYTES, isOurHeader, payloadHashOf, sealedSize } from "./sealed-object.ts";
import { asStored } from "./sealed-storage.ts";

// Objects as they lie in a place, for whoever copies them, or checks them without an identity. Where they are sealed they are compared as far as the keys that
// are known here go. What this host can open is compared with what names it. Of the rest, size and the SHA-256 of the payload
// are, which the header has, or the index of an archive; only of a part that was written in pieces nobody knows the latter.
// That the stanzas of such a header still open it, only an identity can tell.

/** How much must be right: `sealedToAll` also that an object is sealed to as many keys as the repository names. */
interface Strictness {
  readonly sealedToAll: boolean;
}

/** Whether a key that is known here opens what only the recipients may read; true where nothing is sealed. */
export function opensSecrets({ location: { seal } }: Storage): boolean {
  if (seal === undefined) return true;
  return seal.identities.some((text) => seal.recipients.includes(parseIdentity(text).recipient.text));
}

/** Bytes of an object as it lies there. */
export function storedSize(storage: Storage, { key, ref }: Wanted): number {
  if (sealOf(storage, key) === undefined) return ref.size;
  return ref.sealed === undefined ? sealedSize(ref.size) : HEADER_BYTES + ref.sealed.size;
}

/**
 * Reads objects that are small enough to be held together, as they are stored. In the place of one that is missing or not
 * what it should be stands why not: `backup_damaged`, or `wrong_key` where it is sealed to others.
 */
export async function getStored(
  storage: Storage,
  wanted: readonly Wanted[],
  strictness: Strictness,
  signal: AbortSignal,
): Promise<(Buffer | AppError)[]> {
  if (storage.location.seal === undefined) return await getChecked(storage, wanted, signal);
  const stored = asStored(storage);
  const found = await stored.getMany(
    wanted.map(({ key }) => key),
    signal,
  );
  const checked: (Buffer | AppError)[] = [];
  for (const [at, one] of wanted.entries()) {
    const data = found[at];
    const seal = sealOf(storage, one.key);
    if (data === undefined) throw new AppError("unexpected", `read ${one.what}: the storage gave no answer`);
    if (data instanceof AppError) checked.push(ofNamed(data, one.key, one.what));
    else if (seal === undefined) checked.push(...(await getChecked(stored, [one], signal)));
    else checked.push(check(new SealedCheck(one, seal, strictness), data));
  }
  return checked;
}

function check(checking: SealedCheck, data: Buffer): Buffer | AppError {
  try {
    checking.update(data);
    checking.end();
    return data;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

/** The bytes of an object of any size as they are stored; fails at their end unless all was right. */
export async function* openStored(
  storage: Storage,
  one: Wanted,
  strictness: Strictness,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const seal = sealOf(storage, one.key);
  const stored = asStored(storage);
  if (seal === undefined) {
    yield* (await openChecked(stored, one.key, one.what, one.ref, signal)) as AsyncIterable<Buffer>;
    return;
  }
  const checking = new SealedCheck(one, seal, strictness);
  try {
    for await (const chunk of (await stored.open(one.key, signal)) as AsyncIterable<Buffer>) {
      checking.update(chunk);
      yield chunk;
    }
  } catch (error) {
    throw ofNamed(error, one.key, one.what);
  }
  checking.end();
}

/** Reads an object of any size, and compares it as it lies there; fails as `openStored` does. */
export async function compareStored(
  storage: Storage,
  one: Wanted,
  strictness: Strictness,
  signal: AbortSignal,
): Promise<void> {
  for await (const _ of openStored(storage, one, strictness, signal)) signal.throwIfAborted();
}

function sealOf({ location }: Storage, key: string): SealKeys | undefined {
  return sealClassOf(key) === "plain" ? undefined : location.seal;
}

class SealedCheck {
  readonly #wanted: Wanted;
  readonly #seal: SealKeys;
  readonly #strictness: Strictness;
  readonly #identities: readonly Identity[];
  readonly #payloadHash = createHash("sha256");
  readonly #textHash = createHash("sha256");
  #head: Buffer = Buffer.alloc(0);
  #begun = false;
  #size = 0;
  #recorded: string | undefined;
  #opener: PayloadOpener | undefined;

  constructor(wanted: Wanted, seal: SealKeys, strictness: Strictness) {
    this.#wanted = wanted;
    this.#seal = seal;
    this.#strictness = strictness;
    this.#identities = seal.identities.map(parseIdentity);
  }

  update(bytes: Buffer): void {
    this.#size += bytes.length;
    this.#naming(() => {
      if (this.#begun) this.#payload(bytes);
      else this.#begin(bytes);
    });
  }

  end(): void {
    const { ref } = this.#wanted;
    const wanted = ref.sealed === undefined ? sealedSize(ref.size) : HEADER_BYTES + ref.sealed.size;
    if (this.#size !== wanted) throw this.#damaged(`${this.#size} bytes, it should have ${wanted}`);
    if (!this.#begun) throw this.#damaged("its header does not end");
    const payload = this.#payloadHash.digest("hex");
    if (this.#recorded !== undefined && this.#recorded !== payload)
      throw this.#damaged("its SHA-256 is not the one in its header");
    if (ref.sealed !== undefined && ref.sealed.sha256 !== payload)
      throw this.#damaged("its SHA-256 is not the one recorded");
    const opener = this.#opener;
    if (opener === undefined) return;
    this.#naming(() => {
      this.#textHash.update(opener.end());
    });
    if (this.#textHash.digest("hex") !== ref.sha256)
      throw this.#damaged("what is in it has not the SHA-256 recorded");
  }

  #begin(bytes: Buffer): void {
    this.#head = Buffer.concat([this.#head, bytes]);
    const header = parseHeader(this.#head);
    if (header === undefined) return;
    this.#begun = true;
    if (!isOurHeader(header)) throw this.#damaged("its header was changed");
    const isSecret = sealClassOf(this.#wanted.key) === "secret";
    const { recipients, hosts } = this.#seal;
    const keys = header.stanzas.filter(({ words: [type] }) => type === "X25519").length;
    const all = recipients.length + (isSecret ? 0 : hosts.length);
    if (this.#strictness.sealedToAll && keys < all)
      throw this.#wrongKey(`it is sealed to ${keys} of ${all} keys`);
    this.#recorded = payloadHashOf(header)?.toString("hex");
    const fileKey = openHeader(header, this.#identities);
    if (fileKey !== undefined) this.#opener = new PayloadOpener(fileKey);
    else if (shouldOpen(this.#seal, this.#identities, this.#wanted.key))
      throw this.#damaged("its header was changed: none of the keys opens it that should");
    else if (!isSecret) throw this.#wrongKey("no key that is known here opens it");
    this.#payload(this.#head.subarray(header.length));
    this.#head = Buffer.alloc(0);
  }

  #payload(bytes: Buffer): void {
    this.#payloadHash.update(bytes);
    for (const piece of this.#opener?.update(bytes) ?? []) this.#textHash.update(piece);
  }

  #damaged(reason: string): AppError {
    return damaged(this.#wanted.key, this.#wanted.what, reason);
  }

  #wrongKey(reason: string): AppError {
    return new AppError("wrong_key", `read ${this.#wanted.what}: ${reason}`, {
      hint: "`handled key rewrap --identity FILE` seals everything in a repository to all of its keys",
      details: { key: this.#wanted.key },
    });
  }

  /** What cannot be parsed or opened says so without a name. */
  #naming(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== "backup_damaged") throw error;
      throw this.#damaged(error.message.replace("open a sealed object: ", ""));
    }
  }
}
