import { AppError, isAppError } from "../../errors.ts";
import { openHeader, parseHeader } from "../../lib/age/header.ts";
import type { Identity } from "../../lib/age/keys.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { SealKeys } from "../../storage/location.ts";
import type { Storage } from "../../storage/storage.ts";
import { readHostKey, readIdentities } from "./key-files.ts";
import { namingKeyIn, NAMING_FOLDER, NAMING_OBJECT, type Sealing } from "./sealing.ts";

/** What a place whose `repository.json` is lost still tells of how it is sealed. */
interface LostSealing {
  /** Which open what the hosts may read. */
  readonly keys: SealKeys;
  /** What that file has to say; an error where that is not certain. */
  readonly sealing: Sealing | AppError;
}

/** The keys of objects that hold a naming key; there are some wherever objects are sealed, and nowhere else. */
export async function namingObjects(storage: Storage, signal: AbortSignal): Promise<string[]> {
  return (await storage.keys(NAMING_FOLDER, "all", signal)).filter((key) => NAMING_OBJECT.test(key));
}

/**
 * Looks for it in the naming key that lies there. Undefined: nothing is sealed there. Fails with `wrong_key` when no key that
 * is known here opens it.
 */
export async function findLostSealing(
  runtime: Runtime,
  storage: Storage,
  signal: AbortSignal,
): Promise<LostSealing | undefined> {
  const names = await namingObjects(storage, signal);
  if (names.length === 0) return undefined;
  const wanted = runtime.keys.wantedFor(storage.place);
  const host = await readHostKey(runtime, wanted?.hostKeyFile);
  const named = await readIdentities(runtime, signal);
  const identities = host === undefined ? named : [...named, host];
  const opened: Opened[] = [];
  for (const name of names) {
    const one = openOne(name, await storage.get(name, signal), identities);
    if (one !== undefined) opened.push(one);
  }
  const [first] = opened;
  if (first === undefined) {
    throw new AppError(
      "wrong_key",
      `open repository ${storage.place}: it is encrypted, its repository.json is lost or damaged, and no key that is known here opens ${names.join(", ")}`,
      { hint: "copy repository.json back from another place, or give the identity with `--identity FILE`" },
    );
  }
  const recipients = wanted?.recipients ?? [];
  const sealing = sealingOf(storage.place, opened, recipients, host);
  // Where it is not certain to whom all is sealed, some of it may be sealed to others.
  const { hosts, mixed } = sealing instanceof AppError ? { hosts: [], mixed: true } : sealing;
  const texts = identities.map(({ text }) => text);
  const keys = { recipients, hosts, mixed: mixed === true, identities: texts, namingKey: first.key };
  return { keys, sealing };
}

interface Opened {
  readonly name: string;
  /** The naming key. */
  readonly key: string;
  /** To how many keys it is sealed. */
  readonly sealedTo: number;
  /** Those known here that open it. */
  readonly by: readonly string[];
}

/** Undefined where no identity opens it, or it is damaged. */
function openOne(name: string, stored: Buffer, identities: readonly Identity[]): Opened | undefined {
  try {
    const header = parseHeader(stored);
    const key = namingKeyIn(stored, identities);
    if (header === undefined || key === undefined) return undefined;
    const by = identities.filter((one) => openHeader(header, [one]) !== undefined);
    const sealedTo = header.stanzas.filter(({ words: [type] }) => type === "X25519").length;
    return { name, key, sealedTo, by: by.map(({ recipient }) => recipient.text) };
  } catch (error) {
    if (isAppError(error, "wrong_key") || isAppError(error, "backup_damaged")) return undefined;
    throw error;
  }
}

/**
 * An object does not tell to whom it is sealed, only to how many. So all of them have to be known: the recipients from the
 * strategy, and this host. Where no identity shows that those are the recipients, earlier objects count as sealed to fewer,
 * and snapshots take none of them over.
 */
function sealingOf(
  place: string,
  opened: readonly Opened[],
  recipients: readonly string[],
  host: Identity | undefined,
): Sealing | AppError {
  const refuse = (reason: string): AppError =>
    new AppError("repository_unusable", `write a new repository.json in ${place}: ${reason}`, {
      hint: "copy repository.json back from another place; or name the recipients in the strategy, and run this where all that it was sealed to is known. `age -d` opens every object meanwhile",
    });
  if (recipients.length === 0) return refuse("it is encrypted, and no recipients are named for it here");
  if (new Set(opened.map(({ key }) => key)).size > 1)
    return refuse("several naming keys lie in it, and which one is its own cannot be told");
  for (const { name, sealedTo, by } of opened) {
    const strangers = by.filter((key) => !recipients.includes(key));
    const hosts = strangers.filter((key) => key === host?.recipient.text);
    if (hosts.length < strangers.length || sealedTo !== recipients.length + hosts.length) continue;
    const isShown = recipients.every((key) => by.includes(key));
    return {
      recipients: [...recipients],
      hosts,
      ...(isShown ? {} : { mixed: true as const }),
      namingKey: name,
    };
  }
  const sealedTo = [...new Set(opened.map((one) => one.sealedTo))].join(" or ");
  return refuse(
    `it is sealed to ${sealedTo} keys, and those are not the recipients that are named for it and this host`,
  );
}
