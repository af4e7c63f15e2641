import { AppError } from "../errors.ts";
import { auditChainFolder, auditChainsFolder, auditKey } from "../repository/layout.ts";
import { encodeJson, parseJson, parseStored } from "../repository/parse.ts";
import type { Storage } from "../storage/storage.ts";
import { type Audit, AuditEntry, brokenAt } from "./audit.ts";

/** An audit log as it lies in a repository. */
interface KeptChain {
  readonly chain: string;
  readonly entries: number;
  /** What is wrong with it; undefined where nothing is. */
  readonly broken: string | undefined;
}

/** How the copies in a repository stand to this machine's log. */
export interface ComparedAudit {
  readonly place: string;
  /** Entries of this machine's log that lie there. */
  readonly entries: number;
  /** Entries that are yet to be brought there. */
  readonly behind: number;
  /** What is wrong; undefined where nothing is. */
  readonly broken: string | undefined;
  /** Logs of other machines, or of this one before its own began anew. */
  readonly others: readonly KeptChain[];
}

/**
 * Brings what a repository lacks of the log there. Nothing that lies there is ever written again. Fails with `audit_broken` where another
 * entry has the place of one, and with the errors of the storage.
 * @returns how many entries
 */
export async function keepAudit(storage: Storage, audit: Audit, signal: AbortSignal): Promise<number> {
  const chain = audit.chain();
  const last = audit.list(Number.MAX_SAFE_INTEGER, 1)[0]?.seq ?? 0;
  const kept = audit.keptIn(storage.place);
  if (kept >= last) return 0;
  let count = 0;
  for (const entry of Array.from(audit.all(kept))) {
    const key = auditKey(chain, entry.seq);
    const isNew = await storage.putIfAbsent(key, encodeJson(entry), signal);
    // One that was cut off may have brought it there.
    if (!isNew && readEntry(await storage.get(key, signal), key).hash !== entry.hash)
      throw new AppError("audit_broken", `audit log: entry ${entry.seq} is another one in ${storage.place}`, {
        hint: "`handled audit --verify` says more; nothing there is overwritten",
      });
    audit.noteKept(storage.place, entry.seq);
    if (isNew) count += 1;
  }
  return count;
}

/** Reads all that a repository keeps, and holds it against this machine's log. Errors: those of the storage. */
export async function compareAudit(
  storage: Storage,
  audit: Audit,
  signal: AbortSignal,
): Promise<ComparedAudit> {
  const own = audit.chain();
  const others: KeptChain[] = [];
  for (const chain of await storage.folders(auditChainsFolder, signal)) {
    if (chain === own) continue;
    const entries = await readChain(storage, chain, signal);
    others.push({ chain, entries: entries.length, broken: firstError(entries) ?? brokenAt(read(entries)) });
  }
  const there = await readChain(storage, own, signal);
  const broken = firstError(there) ?? differs(there, audit);
  const last = audit.list(Number.MAX_SAFE_INTEGER, 1)[0]?.seq ?? 0;
  const missing = Math.max(0, audit.keptIn(storage.place) - there.length);
  return {
    place: storage.place,
    entries: there.length,
    behind: Math.max(0, last - there.length),
    broken:
      broken ??
      (missing > 0 ? `${missing} entries that were brought to ${storage.place} are gone` : undefined),
    others,
  };
}

/** What is wrong with the copies; they begin at the first entry, and may lack the newest. */
function differs(there: readonly (AuditEntry | AppError)[], audit: Audit): string | undefined {
  const own = Array.from(audit.all());
  let previous = 0;
  for (const entry of there) {
    if (entry instanceof AppError) return entry.message;
    previous += 1;
    if (entry.seq !== previous) return `entry ${previous} is gone from the repository`;
    const ours = own[previous - 1];
    if (ours === undefined) return `entry ${entry.seq} is in the repository, and not on this machine`;
    if (ours.hash !== entry.hash || ours.seq !== entry.seq)
      return `entry ${entry.seq} is not the same in the repository and on this machine`;
  }
  const fault = brokenAt(read(there));
  return fault === undefined ? undefined : `in the repository ${fault}`;
}

/** A log as a repository keeps it, and what is wrong with it. Errors: those of the storage. */
export async function readKeptAudit(
  storage: Storage,
  chain: string,
  signal: AbortSignal,
): Promise<{ readonly entries: readonly AuditEntry[]; readonly broken: string | undefined }> {
  const found = await readChain(storage, chain, signal);
  const entries = read(found);
  return { entries, broken: firstError(found) ?? brokenAt(entries) };
}

async function readChain(
  storage: Storage,
  chain: string,
  signal: AbortSignal,
): Promise<(AuditEntry | AppError)[]> {
  const keys = (await storage.keys(auditChainFolder(chain), "here", signal)).toSorted();
  const found = await storage.getMany(keys, signal);
  return found.map((data, at) => {
    if (data instanceof AppError) return data;
    try {
      return readEntry(data, keys[at] ?? "");
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
  });
}

function readEntry(data: Buffer, key: string): AuditEntry {
  return parseStored(AuditEntry, parseJson(data, key), key);
}

function read(entries: readonly (AuditEntry | AppError)[]): AuditEntry[] {
  return entries.filter((entry): entry is AuditEntry => !(entry instanceof AppError));
}

function firstError(entries: readonly (AuditEntry | AppError)[]): string | undefined {
  return entries.find((entry) => entry instanceof AppError)?.message;
}
