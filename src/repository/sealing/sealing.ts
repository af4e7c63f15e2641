import { randomBytes } from "node:crypto";
import { AppError, isAppError } from "../../errors.ts";
import type { WantedKeys } from "../../lib/key-ring.ts";
import { type Identity, parseRecipient, type Recipient } from "../../lib/age/keys.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { SealKeys } from "../../storage/location.ts";
import { placeOfKey } from "../../storage/location.ts";
import type { Storage } from "../../storage/storage.ts";
import type { RepositoryFile } from "../manifest.ts";
import { hostKeyPath, readHostKey, readIdentities, readOrMakeHostKey } from "./key-files.ts";
import { openWhole, sealWhole } from "./sealed-object.ts";

export type Sealing = NonNullable<RepositoryFile["sealing"]>;

const NAMING_KEY = /^[0-9a-f]{64}\n$/;
export const NAMING_FOLDER = "system/";
export const NAMING_OBJECT = /^system\/naming-[0-9a-f]{16}\.age$/;

/** The naming key in its object; undefined where it holds none. Errors as when any sealed object is opened. */
export function namingKeyIn(stored: Buffer, identities: readonly Identity[]): string | undefined {
  const text = openWhole(stored, identities).toString("latin1");
  return NAMING_KEY.test(text) ? text.trim() : undefined;
}

/**
 * Finds the keys that open a sealed repository: the identities that were named, and this host's own. Throws `wrong_key`
 * when none of them does; nothing else is touched then.
 */
export async function openSealing(
  runtime: Runtime,
  storage: Storage,
  sealing: Sealing,
  signal: AbortSignal,
): Promise<SealKeys> {
  const named = await readIdentities(runtime, signal);
  const host = await readHostKey(runtime, runtime.keys.wantedFor(storage.place)?.hostKeyFile);
  const identities = host === undefined ? named : [...named, host];
  const known = new Set([...sealing.recipients, ...sealing.hosts]);
  const strange = named.filter(({ recipient }) => !known.has(recipient.text));
  if (named.length > 0 && strange.length === named.length) {
    throw wrongKey(storage.place, "the identity that was given is not one it is sealed to", sealing);
  }
  const stored = await storage.get(sealing.namingKey, signal).catch((error: unknown) => {
    if (!isAppError(error, "object_missing")) throw error;
    throw new AppError(
      "backup_damaged",
      `open repository ${storage.place}: ${sealing.namingKey} is not there`,
      {
        cause: error,
        hint: "with an identity every object can still be opened by `age -d`",
      },
    );
  });
  return {
    recipients: sealing.recipients,
    hosts: sealing.hosts,
    mixed: sealing.mixed === true,
    identities: identities.map(({ text }) => text),
    namingKey: openNamingKey(runtime, storage.place, sealing, stored, identities),
  };
}

function openNamingKey(
  runtime: Runtime,
  place: string,
  sealing: Sealing,
  stored: Buffer,
  identities: readonly Identity[],
): string {
  const what = placeOfKey(place, sealing.namingKey);
  let key: string | undefined;
  try {
    key = namingKeyIn(stored, identities);
  } catch (error) {
    if (isAppError(error, "wrong_key")) {
      const path = hostKeyPath(runtime, runtime.keys.wantedFor(place)?.hostKeyFile);
      const reason =
        identities.length > 0
          ? `it is sealed to other hosts than this one, whose key is ${path ?? "not known"}`
          : `it is encrypted, and no key is known here: ${path === undefined ? "HOME is not set" : `there is no ${path}`}`;
      throw wrongKey(place, reason, sealing);
    }
    if (isAppError(error)) throw new AppError(error.code, `read ${what}: ${error.message}`, { cause: error });
    throw error;
  }
  if (key !== undefined) return key;
  throw new AppError("backup_damaged", `read ${what}: it is no naming key`);
}

function wrongKey(place: string, reason: string, sealing: Sealing): AppError {
  return new AppError("wrong_key", `open repository ${place}: ${reason}`, {
    hint: `give the identity of ${sealing.recipients.join(" or ")} with \`--identity FILE\` or in HANDLED_IDENTITY; \`handled key rewrap\` with it lets this host go on by its own key`,
    details: { recipients: sealing.recipients, hosts: sealing.hosts },
  });
}

/** Makes the keys of a new repository: this host's, unless there is one, and the one for names, which is stored. */
export async function beginSealing(
  runtime: Runtime,
  storage: Storage,
  wanted: WantedKeys,
  signal: AbortSignal,
): Promise<Sealing> {
  const recipients = [...new Set(wanted.recipients.map((text) => parseRecipient(text).text))];
  const host = await readOrMakeHostKey(runtime, wanted.hostKeyFile);
  const hosts = recipients.includes(host.recipient.text) ? [] : [host.recipient.text];
  const sealTo = [...recipients, ...hosts].map(parseRecipient);
  const namingKey = await storeNamingKey(storage, randomBytes(32).toString("hex"), sealTo, signal);
  return { recipients, hosts, namingKey };
}

/** Gives a new repository the keys of another, so that objects can be copied between them as they are. */
export async function shareSealing(
  storage: Storage,
  sealing: Sealing,
  keys: SealKeys,
  signal: AbortSignal,
): Promise<Sealing> {
  const sealTo = [...sealing.recipients, ...sealing.hosts].map(parseRecipient);
  return { ...sealing, namingKey: await storeNamingKey(storage, keys.namingKey, sealTo, signal) };
}

/**
 * Stores the key that parts are named under, and returns where. Under a name of its own: of two that make a repository at
 * once, the one that is later must not replace the other's.
 */
export async function storeNamingKey(
  storage: Storage,
  key: string,
  sealTo: readonly Recipient[],
  signal: AbortSignal,
): Promise<string> {
  const name = `system/naming-${randomBytes(8).toString("hex")}.age`;
  await storage.put(name, sealWhole(Buffer.from(`${key}\n`), sealTo), signal);
  return name;
}

/** Fails with `usage` where a repository is sealed to others than the strategy wants: nothing would say so later. */
export function requireSameRecipients(
  { sealing }: RepositoryFile,
  wanted: WantedKeys | undefined,
  place: string,
): void {
  if (wanted === undefined) return;
  if (sealing === undefined) {
    throw new AppError("usage", `write to ${place}: it is not encrypted, and recipients are named for it`, {
      hint: "a repository is encrypted from its first backup on: name a new place for it, and keep this one until its backups have expired",
    });
  }
  const names = (keys: readonly string[]): string => [...new Set(keys)].toSorted().join(" ");
  if (names(sealing.recipients) === names(wanted.recipients)) return;
  throw new AppError("usage", `write to ${place}: it is sealed to other recipients than the strategy names`, {
    hint: "`handled key show` compares them; `handled key rewrap --identity FILE` seals everything there to those of the strategy",
    details: { repository: sealing.recipients, strategy: wanted.recipients },
  });
}
