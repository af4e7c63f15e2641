import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { AppError, isAppError } from "../errors.ts";
import { usersFolder, usersKey } from "../repository/layout.ts";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import { encodeJson, parseVersioned, requireSound } from "../repository/parse.ts";
import type { Repository } from "../repository/repository.ts";
import { HEADER_BYTES } from "../repository/sealing/sealed-object.ts";
import { asStored } from "../repository/sealing/sealed-storage.ts";
import type { Access } from "./access.ts";
import type { Act, AuditEntry } from "./audit.ts";
import { readKeptAudit } from "./audit-copies.ts";
import { hashPassword, type PasswordHash } from "./passwords.ts";
import { newSecret } from "./secret.ts";
import { isMacRight, macOf, UsersFile } from "./users-file.ts";

/** What the audit log calls that it was said anew who may sign in. */
const CHANGES = [
  "set up",
  "user added",
  "user changed",
  "user removed",
  "password changed",
  "users taken back",
];

/**
 * Brings it to a repository who may sign in here, where that is not what lies there already. Needs no lease: nobody else writes this
 * object. Errors: those of the storage.
 * @param now ISO 8601
 * @returns `replaced`: somebody else had changed what lay there
 */
export async function keepUsers(
  { storage, file }: Repository,
  { users, identities, audit }: Access,
  now: string,
  signal: AbortSignal,
): Promise<"none" | "unchanged" | "written" | "replaced"> {
  const isSealed = file.sealing !== undefined;
  const listed = users.list().map(({ name, role, createdAt, password }) => ({
    name,
    role,
    createdAt,
    hasPassword: password !== null,
    // Where everybody may read, and write, nothing lies that lets anybody in.
    password: isSealed ? password : null,
    identity: isSealed ? (identities.of(name) ?? null) : null,
  }));
  if (listed.length === 0) return "none";
  const key = usersKey(audit.chain());
  const says = hashOf(Buffer.from(JSON.stringify([isSealed, listed])));
  const noted = users.keptIn(storage.place);
  const there = await payloadThere({ storage, file }, key, signal);
  if (there !== undefined && noted === `${says} ${there}`) return "unchanged";
  const [last] = audit.list(Number.MAX_SAFE_INTEGER, 1);
  const whole = requireSound(
    UsersFile,
    {
      format: FORMAT_VERSION,
      chain: audit.chain(),
      at: now,
      host: hostname().replaceAll(/[^\w.-]/g, "-") || "unknown",
      audit: last === undefined ? null : { seq: last.seq, hash: last.hash },
      users: listed,
      mac: null,
    },
    key,
  );
  const namingKey = storage.location.seal?.namingKey;
  const data = encodeJson({ ...whole, mac: namingKey === undefined ? null : macOf(whole, namingKey) });
  await using staged = await storage.stage(key, signal);
  await staged.write(data);
  await staged.finish();
  await staged.replace();
  users.noteKept(storage.place, `${says} ${staged.stored?.sha256 ?? hashOf(data)}`);
  return there !== undefined && noted !== undefined && !noted.endsWith(` ${there}`) ? "replaced" : "written";
}

/** SHA-256 of what lies there, without the header, which may be written anew; undefined: nothing does. */
async function payloadThere(
  { storage, file }: Pick<Repository, "storage" | "file">,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const stored = await asStored(storage).get(key, signal);
    return hashOf(file.sealing === undefined ? stored : stored.subarray(HEADER_BYTES));
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    throw error;
  }
}

function hashOf(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Users that a repository keeps, with the audit log of their machine. */
export interface KeptUsers {
  readonly place: string;
  readonly file: UsersFile;
  readonly entries: readonly AuditEntry[];
  /** Why a person has to look at them before they are taken back; empty: a host that has the repository's key wrote them, and the log fits. */
  readonly doubts: readonly string[];
}

/** Whether a repository keeps users of any machine. */
export async function hasKeptUsers({ storage }: Repository, signal: AbortSignal): Promise<boolean> {
  return (await storage.keys(usersFolder, "here", signal)).length > 0;
}

/**
 * The users that a repository keeps, of each machine, the newest first. Fails with `backup_damaged` where one cannot be read, or was
 * written by somebody who has not the repository's key; `wrong_key`, and the errors of the storage.
 */
export async function readKeptUsers(repository: Repository, signal: AbortSignal): Promise<KeptUsers[]> {
  const { storage, place } = repository;
  const found: KeptUsers[] = [];
  for (const key of await storage.keys(usersFolder, "here", signal)) {
    const file = parseVersioned(UsersFile, await storage.get(key, signal), key);
    const seal = storage.location.seal;
    if (usersKey(file.chain) !== key || (seal !== undefined && !isMacRight(file, seal.namingKey)))
      throw new AppError(
        "backup_damaged",
        `read ${key} in ${place}: no host of the repository has written it so`,
        {
          hint: "somebody who can write there may want to be let in; see who can, and what the object's history says",
        },
      );
    const audit = await readKeptAudit(storage, file.chain, signal);
    const doubts = [
      ...(seal === undefined
        ? [`${place} is not encrypted: whoever can write there can have put anybody in`]
        : []),
      ...doubtsAbout(file, audit),
    ];
    // What lies in the open lets nobody in, whoever wrote it there.
    const users = file.users.map((user) => ({ ...user, password: null, identity: null }));
    found.push({
      place,
      file: seal === undefined ? { ...file, users } : file,
      entries: audit.entries,
      doubts,
    });
  }
  return found.toSorted((a, b) => (a.file.at < b.file.at ? 1 : -1));
}

/** What the log says against them. It may lack its newest entries, which were to follow. */
function doubtsAbout(
  { audit }: UsersFile,
  { entries, broken }: Awaited<ReturnType<typeof readKeptAudit>>,
): string[] {
  if (broken !== undefined) return [`the audit log that lies beside them is broken: ${broken}`];
  const same = entries.find(({ seq }) => seq === audit?.seq);
  if (same !== undefined && same.hash !== audit?.hash)
    return ["the audit log that lies beside them is not the one that they were written with"];
  const later = entries.filter(({ seq, what }) => seq > (audit?.seq ?? 0) && CHANGES.includes(what));
  if (later.length === 0) return [];
  return [
    `the audit log has ${later.length} later changes of users: they are older than what was true last, or an old state was put back`,
  ];
}

/** What taking users back came to. */
export interface TakenUsers {
  /** Those who had a password, which is not kept: they need a new one. */
  readonly withoutPassword: readonly string[];
  /** Whether the audit log goes on where that of the machine ended; where not, it is another one. */
  readonly goesOn: boolean;
}

/**
 * Makes kept users those of this machine, where there are none: with what they sign in by, and the audit log that goes on, where there are no
 * doubts. What lets programs in, and who was signed in, is not kept. Fails with `user_exists`, `audit_unwritable`.
 * @param by who does that
 */
export async function takeUsers(
  access: Access,
  { file, place, entries, doubts }: KeptUsers,
  by: Pick<Act, "who" | "source">,
): Promise<TakenUsers> {
  const withoutPassword = file.users.filter(({ hasPassword, password }) => hasPassword && password === null);
  // One that nobody knows: without any they would be those of another service, and let in by that.
  const closed = new Map<string, PasswordHash>();
  for (const { name } of withoutPassword) closed.set(name, await hashPassword(newSecret()));
  const listed = file.users.map(({ name, role }) => `${name} ${role}`).join(", ");
  return access.record(
    () => {
      const goesOn = doubts.length === 0 && access.audit.list(Number.MAX_SAFE_INTEGER, 1).length === 0;
      if (goesOn) access.audit.goOn(file.chain, entries, place);
      access.users.bring(
        file.users.map(({ name, role, createdAt, password }) => ({
          name,
          role,
          createdAt,
          // The schema has seen that it is one.
          password: closed.get(name) ?? (password as PasswordHash | null),
        })),
      );
      for (const { name, identity } of file.users)
        if (identity !== null) access.identities.bind(identity.issuer, identity.subject, name);
      return { withoutPassword: withoutPassword.map(({ name }) => name), goesOn };
    },
    () => ({ what: "users taken back", subject: `${listed}; from ${place}, as of ${file.at}`, ...by }),
  );
}
