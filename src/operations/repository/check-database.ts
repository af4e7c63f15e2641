import { isAppError, messageOf } from "../../errors.ts";
import { silentReporter, type Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { listNotes, readNote } from "../../repository/garbage-notes.ts";
import { describeHolder, type HolderState, stateOfHolder } from "../../repository/holder.ts";
import { databaseFolder } from "../../repository/layout.ts";
import { highestLease } from "../../repository/lease-file.ts";
import { newestProofs } from "../../repository/proofs.ts";
import { describeReader, readersOf } from "../../repository/readers.ts";
import type { Repository } from "../../repository/repository.ts";
import { splitByProof } from "../damage-found.ts";
import { ITEMS_KEPT, type RepositoryFinding } from "./finding.ts";
import { wrongLinks } from "./latest-links.ts";
import type { StoredDamage } from "../record-stored.ts";
import { storedDamage } from "./stored-damage.ts";
import { type DatabaseStock, takeStock } from "./take-stock.ts";

type Part = Omit<RepositoryFinding, "database" | "backup" | "items"> &
  Partial<Pick<RepositoryFinding, "backup" | "items">>;

export interface CheckedDatabase {
  readonly stock: DatabaseStock;
  /** Damage of backups whose index can be read, as far as no proof says yet that they are damaged. */
  readonly unrecorded: readonly StoredDamage[];
  readonly findings: readonly RepositoryFinding[];
}

/** Looks at everything that is stored of a database, without reading rows. Changes nothing. */
export async function checkDatabase(
  runtime: Runtime,
  repository: Repository,
  database: string,
  prefix: string,
  signal: AbortSignal,
): Promise<CheckedDatabase> {
  const lease = await lookAtLease(repository, database, signal);
  const stock = await takeStock(repository, database, signal);
  const damage = await storedDamage(repository, stock, signal);
  const ids = stock.indexes.map((index) => index.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const unrecorded = damage.filter(({ index }) => proofs.get(index.id)?.outcome !== "failed");
  const parts = [
    ...damageFindings(stock, damage, proofs),
    ...lease.findings,
    ...unfinishedFindings(stock, lease.isHeld),
    ...(await strayFindings(repository, database, lease.isHeld, signal)),
    ...(await readerFindings(repository, database, signal)),
    ...(await noteFindings(runtime, repository, database, signal)),
    ...(await linkFindings(repository, stock, damage, proofs, prefix)),
    ...nameFindings(stock, lease.isHeld),
  ];
  return {
    stock,
    unrecorded,
    findings: parts.map((part) => ({ backup: null, items: [], ...part, database })),
  };
}

type Proofs = Awaited<ReturnType<typeof newestProofs>>;

const REPAIR = "`handled repository repair` sees to it, and so does the next backup";

function damageFindings({ listing }: DatabaseStock, damage: readonly StoredDamage[], proofs: Proofs): Part[] {
  const found = new Set(damage.map(({ index }) => index.id));
  const sound = listing.backups.filter(({ id }) => !found.has(id));
  const { failed } = splitByProof(sound, proofs);
  const level = "damage" as const;
  const id = "backup-damaged" as const;
  return [
    ...listing.damaged.flatMap(({ id: backup, reason, index }): Part[] =>
      index !== undefined
        ? []
        : [
            {
              id,
              level,
              backup,
              message: `backup ${backup} cannot be relied on: ${reason}`,
              hint: "copy its objects back from another place; what it may need is not deleted while it is there",
            },
          ],
    ),
    ...damage.map(({ index, problemCount, problems }): Part => {
      const [first] = problems;
      const more = problemCount > 1 ? `, and ${counted(problemCount - 1, "more problem")}` : "";
      const table = first?.table == null ? "" : `${first.table}: `;
      return {
        id,
        level,
        backup: index.id,
        message: `backup ${index.id} cannot be restored whole: ${table}${first?.reason ?? ""}${more}`,
        hint:
          proofs.get(index.id)?.outcome === "failed"
            ? "that is recorded, so it counts for nothing: take a new backup"
            : "`handled repository repair` records that, so that it counts for nothing and the next snapshot reads those rows again; take a new backup then",
        items: problems.slice(0, ITEMS_KEPT).map(({ reason }) => reason),
      };
    }),
    ...failed.map(
      ({ id: backup, reason }): Part => ({
        id,
        level,
        backup,
        message: `backup ${backup} counts for nothing: ${reason}`,
        hint: "it stays for you to look at; a verification that succeeds makes it count again",
      }),
    ),
  ];
}

interface LeaseLook {
  readonly isHeld: boolean;
  readonly findings: readonly Part[];
}

async function lookAtLease(
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<LeaseLook> {
  const id = "lease" as const;
  try {
    const lease = await highestLease(storage, database, signal);
    if (lease === undefined || lease.file?.released === true) return { isHeld: false, findings: [] };
    if (lease.file === undefined) {
      const message = `lease ${lease.n} of ${database} is unreadable: whether somebody writes can only be told by watching it`;
      return { isHeld: false, findings: [{ id, level: "problem", message, hint: REPAIR }] };
    }
    const { holder, acquiredAt } = lease.file;
    const who = `${holder.operation} of ${holder.user}@${holder.host} (process ${holder.pid}), since ${acquiredAt}`;
    const state = await stateOfHolder(holder, await describeHolder("check"));
    const [message, hint] = LEASES[state];
    return {
      isHeld: state !== "dead",
      findings: [{ id, level: "note", message: `${message}: ${who}`, hint }],
    };
  } catch (error) {
    if (!isAppError(error, "repository_version")) throw error;
    const hint = "a newer Handled writes to it: use that one";
    return { isHeld: true, findings: [{ id, level: "problem", message: messageOf(error), hint }] };
  }
}

const LEASES: Readonly<Record<HolderState, readonly [string, string | null]>> = {
  alive: ["somebody is writing", null],
  dead: ["a run that died left its lease", REPAIR],
  unknown: ["somebody on another machine may be writing", null],
};

function unfinishedFindings({ stored }: DatabaseStock, isHeld: boolean): Part[] {
  const ids = [...stored.manifests].filter(([, names]) => names.has("unfinished")).map(([id]) => id);
  if (ids.length === 0) return [];
  const what = counted(ids.length, "backup");
  return [
    {
      id: "unfinished",
      level: isHeld ? "note" : "problem",
      message: isHeld
        ? `${what} is being written or deleted`
        : `${what} was cut off while it was written or deleted`,
      hint: isHeld ? null : REPAIR,
      items: ids.slice(0, ITEMS_KEPT),
    },
  ];
}

async function strayFindings(
  { storage }: Repository,
  database: string,
  isHeld: boolean,
  signal: AbortSignal,
): Promise<Part[]> {
  const count = await storage.strays(databaseFolder(database), signal);
  if (count === 0) return [];
  const what = counted(count, "temporary file");
  return [
    {
      id: "temporary-files",
      level: isHeld ? "note" : "problem",
      message: isHeld
        ? `${what}, of the run that goes on or of one that crashed`
        : `${what} of a crashed run`,
      hint: isHeld ? null : REPAIR,
    },
  ];
}

async function readerFindings(
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Part[]> {
  const self = await describeHolder("check");
  const parts: Part[] = [];
  for (const reader of await readersOf(storage, database, signal)) {
    const id = "read-marker" as const;
    const items = [reader.key];
    const hint = "`handled repository repair` removes it, after watching it for a minute where need be";
    if (reader.file === undefined) {
      const message = `the read marker ${reader.key} is unreadable, and keeps backups from being deleted`;
      parts.push({ id, level: "problem", message, hint, items });
      continue;
    }
    const isDead = (await stateOfHolder(reader.file.holder, self)) === "dead";
    const who = describeReader(reader);
    const message = isDead ? `${who} died and left its read marker` : `${who} is reading`;
    parts.push({ id, level: "note", message, hint: isDead ? hint : null, items });
  }
  return parts;
}

async function noteFindings(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Part[]> {
  const faults: string[] = [];
  const listening = {
    ...runtime,
    reporter: { ...silentReporter, warn: (text: string) => faults.push(text) },
  };
  for (const note of await listNotes(storage, database, signal)) {
    // Its first line says whether it can be read.
    for await (const _ of readNote(listening, storage, note, signal)) break;
  }
  return faults.map(
    (message): Part => ({
      id: "garbage-note",
      level: "problem",
      message,
      hint: "pruning notes it anew, and removes the note once it is old",
    }),
  );
}

async function linkFindings(
  repository: Repository,
  { database, listing }: DatabaseStock,
  damage: readonly StoredDamage[],
  proofs: Proofs,
  prefix: string,
): Promise<Part[]> {
  const { good } = splitByProof(listing.backups, proofs);
  const sound = good.filter(({ id }) => damage.every(({ index }) => index.id !== id));
  const wrong = await wrongLinks(repository, database, prefix, sound);
  return wrong.map(
    ({ key, isMissing }): Part => ({
      id: "latest-link",
      level: isMissing ? "note" : "problem",
      message: isMissing
        ? `there is no link ${key} to the newest good archive`
        : `the link ${key} does not lead to the newest good archive`,
      hint: REPAIR,
      items: [key],
    }),
  );
}

function nameFindings({ database, stored }: DatabaseStock, isHeld: boolean): Part[] {
  const { orphans, unknown } = stored.kinds;
  const parts: Part[] = [];
  if (orphans.objects > 0) {
    const or = isHeld ? ", or what is just being written" : "";
    parts.push({
      id: "orphans",
      level: "note",
      message: `${counted(orphans.objects, "object")} (${formatBytes(orphans.bytes)}) that no backup needs${or}`,
      hint: `\`handled prune ${database}\` deletes them, in two runs a day apart`,
    });
  }
  if (unknown.objects > 0) {
    parts.push({
      id: "unknown-names",
      level: "note",
      message: `${counted(unknown.objects, "object")} (${formatBytes(unknown.bytes)}) that Handled does not know, and leaves alone`,
      hint: null,
      items: stored.unknown.slice(0, ITEMS_KEPT),
    });
  }
  return parts;
}
