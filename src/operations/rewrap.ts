import { AppError, isAppError } from "../errors.ts";
import { parseIdentity, parseRecipient, type Recipient } from "../lib/age/keys.ts";
import type { Runtime } from "../lib/runtime.ts";
import {
  alertsKey,
  auditChainsFolder,
  databaseFolder,
  STRATEGY_KEY,
  usersFolder,
} from "../repository/layout.ts";
import { acquireLease, type Lease } from "../repository/lease.ts";
import {
  listDatabases,
  openRepository,
  readRepositoryFile,
  type Repository,
  replaceSealing,
} from "../repository/repository.ts";
import { sealClassOf } from "../repository/sealing/classes.ts";
import { readOrMakeHostKey } from "../repository/sealing/key-files.ts";
import { HEADER_BYTES, rewrapped } from "../repository/sealing/sealed-object.ts";
import { asStored } from "../repository/sealing/sealed-storage.ts";
import { type Sealing, storeNamingKey } from "../repository/sealing/sealing.ts";
import type { Storage } from "../storage/storage.ts";

export interface RewrapRequest {
  readonly storage: Storage;
  /** `age1…`: those that everything is to be sealed to. */
  readonly recipients: readonly string[];
  readonly hostKeyFile: string | undefined;
  /** `age1…`: hosts that nothing is to be sealed to any more. */
  readonly withoutHosts: readonly string[];
  /** Other places of the same databases: their hosts stay able to read what is copied between them. */
  readonly peers: readonly Storage[];
}

export interface RewrapReport {
  readonly place: string;
  readonly recipients: readonly string[];
  readonly hosts: readonly string[];
  readonly objects: number;
}

// What is longer is never held whole.
const LARGEST_HELD = 1024 * 1024;

/**
 * Seals everything in a repository to these recipients and to its hosts, this one included, by writing headers anew. Of
 * hosts that are left out, which need not be among them (any more), none stays.
 * First `repository.json` says so, and that not everything is yet: from then on what is new is sealed to all of them, and
 * snapshots take nothing old over. Then object after object is replaced in one step, under the lease of its database. At
 * any moment each can be opened by whoever could before, or by all; run again, it begins again. Errors: `wrong_key`
 * before anything is changed, `lease_held`.
 */
export async function rewrapRepository(
  runtime: Runtime,
  request: RewrapRequest,
  signal: AbortSignal,
): Promise<RewrapReport> {
  const before = await openRepository(runtime, request.storage, signal);
  const { sealing } = before.file;
  const keys = before.storage.location.seal;
  if (sealing === undefined || keys === undefined) {
    throw new AppError("usage", `seal ${before.place} anew: it is not encrypted`, {
      hint: "a repository is encrypted from its first backup on: name a new place for it",
    });
  }
  const identities = keys.identities.map(parseIdentity);
  if (!identities.some(({ recipient }) => sealing.recipients.includes(recipient.text))) {
    throw new AppError(
      "wrong_key",
      `seal ${before.place} anew: this takes the identity of one of its recipients`,
      {
        hint: "name its file with `--identity FILE` or in HANDLED_IDENTITY",
      },
    );
  }
  const recipients = [...new Set(request.recipients.map((text) => parseRecipient(text).text))];
  const host = await readOrMakeHostKey(runtime, request.hostKeyFile);
  const gone = goneHosts(request, recipients, host.recipient.text);
  const known = [...sealing.hosts, ...(await hostsOf(request.peers, signal)), host.recipient.text];
  const hosts = [...new Set(known)].filter((key) => !recipients.includes(key) && !gone.includes(key));
  const sealTo = {
    secret: recipients.map(parseRecipient),
    shared: [...recipients, ...hosts].map(parseRecipient),
  };
  const namingKey = await storeNamingKey(request.storage, keys.namingKey, sealTo.shared, signal);
  const now: Sealing = { recipients, hosts, mixed: true, namingKey };
  await replaceSealing(before, now, signal);
  let objects = 1;
  for (const database of await listDatabases(before, signal))
    objects += await rewrapDatabase(runtime, { repository: before, database, identities, sealTo }, signal);
  objects += await rewrapSystem(before, identities, sealTo, signal);
  // Sealed to the same keys as before, and of no other use than that nothing is told twice: it is made anew.
  await asStored(before.storage).delete(alertsKey(null), signal);
  await replaceSealing(before, { recipients, hosts, namingKey }, signal);
  await asStored(before.storage).delete(sealing.namingKey, signal);
  return { place: before.place, recipients, hosts, objects };
}

/** A key that would stay all the same must not seem to be gone. */
function goneHosts({ withoutHosts }: RewrapRequest, recipients: readonly string[], own: string): string[] {
  const gone = withoutHosts.map((text) => parseRecipient(text).text);
  for (const key of gone) {
    const reason =
      key === own
        ? "it is this host's own key"
        : recipients.includes(key)
          ? "it is one of the recipients"
          : undefined;
    if (reason !== undefined) throw new AppError("usage", `leave out host ${key}: ${reason}`);
  }
  return gone;
}

async function hostsOf(peers: readonly Storage[], signal: AbortSignal): Promise<string[]> {
  const hosts: string[] = [];
  for (const peer of peers) {
    const file = await readRepositoryFile(peer, signal);
    hosts.push(...(file?.sealing?.hosts ?? []));
  }
  return hosts;
}

/** The copy of the strategy, where there is one, the users, and the audit logs. Needs no lease: whoever writes one of them writes all of it. */
async function rewrapSystem(
  { storage }: Repository,
  identities: DatabaseRewrap["identities"],
  sealTo: DatabaseRewrap["sealTo"],
  signal: AbortSignal,
): Promise<number> {
  const stored = asStored(storage);
  const keys = await stored.keys(auditChainsFolder, "all", signal);
  keys.push(...(await stored.keys(usersFolder, "here", signal)));
  if ((await stored.stat(STRATEGY_KEY, signal)) !== undefined) keys.push(STRATEGY_KEY);
  for (const key of keys) {
    const to = sealTo[sealClassOf(key) === "secret" ? "secret" : "shared"];
    const rewrap = (begin: Buffer): Buffer | undefined => rewrapped(begin, identities, to);
    await stored.put(key, orExplain(key, rewrap, await stored.get(key, signal)), signal);
  }
  return keys.length;
}

interface DatabaseRewrap {
  readonly repository: Repository;
  readonly database: string;
  readonly identities: readonly ReturnType<typeof parseIdentity>[];
  readonly sealTo: Readonly<Record<"secret" | "shared", readonly Recipient[]>>;
}

/** Under the lease: nobody may delete an object while it is being replaced, or it would be there again. */
async function rewrapDatabase(
  runtime: Runtime,
  { repository, database, identities, sealTo }: DatabaseRewrap,
  signal: AbortSignal,
): Promise<number> {
  await using lease = await acquireLease(runtime, repository, database, "key rewrap", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  const stored = asStored(repository.storage);
  let objects = 0;
  for await (const { key, size } of stored.list(databaseFolder(database), "all", whileHeld)) {
    const sealClass = sealClassOf(key);
    if (sealClass === "plain") continue;
    await lease.check(whileHeld);
    const rewrap = (begin: Buffer): Buffer | undefined => rewrapped(begin, identities, sealTo[sealClass]);
    if (size > LARGEST_HELD) await rewrapLong(stored, { key, size }, rewrap, lease, whileHeld);
    else await stored.put(key, orExplain(key, rewrap, await stored.get(key, whileHeld)), whileHeld);
    objects += 1;
  }
  return objects;
}

/** Piece by piece: the old object stays until the new one is durable. */
async function rewrapLong(
  stored: Storage,
  { key, size }: { readonly key: string; readonly size: number },
  rewrap: (begin: Buffer) => Buffer | undefined,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  await using staged = await stored.stage(key, signal);
  staged.expect(size);
  let begin: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of (await stored.open(key, signal)) as AsyncIterable<Buffer>) {
    if (begin === undefined) {
      await staged.write(chunk);
      continue;
    }
    begin = Buffer.concat([begin, chunk]);
    if (begin.length < HEADER_BYTES) continue;
    await staged.write(orExplain(key, rewrap, begin));
    begin = undefined;
  }
  const written = begin === undefined ? await staged.finish() : 0;
  if (written !== size)
    throw new AppError("backup_damaged", `seal ${key} anew: ${written} bytes of its ${size} could be read`);
  await lease.check(signal);
  await staged.replace();
}

/** @param begin of the object, with all of its header */
function orExplain(key: string, rewrap: (begin: Buffer) => Buffer | undefined, begin: Buffer): Buffer {
  try {
    const data = rewrap(begin);
    if (data !== undefined) return data;
    throw new AppError("wrong_key", "the identity that was given does not open it");
  } catch (error) {
    if (!isAppError(error)) throw error;
    throw new AppError(
      error.code,
      `seal ${key} anew: ${error.message.replace("open a sealed object: ", "")}`,
      {
        cause: error,
        hint: "what was sealed anew before it stays so, and everything can still be opened; run it again when this is settled",
      },
    );
  }
}
