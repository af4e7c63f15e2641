import { ByteTable } from "../../repository/byte-table.ts";
import type { Amiss } from "../../repository/holdings.ts";
import { contentKey, indexKey, tablesKey } from "../../repository/layout.ts";
import { isSnapshot } from "../../repository/listing.ts";
import type { BackupIndex, PartName } from "../../repository/manifest.ts";
import { lookAgain } from "../../repository/look-again.ts";
import { NAME_BYTES, packName } from "../../repository/part-names.ts";
import { PROBLEMS_KEPT, type ProofProblem } from "../../repository/proof-file.ts";
import type { Repository } from "../../repository/repository.ts";
import { type Lost, MISSING, tellLostOf } from "../lost-parts.ts";
import type { StoredDamage } from "../record-stored.ts";
import type { DatabaseStock } from "./take-stock.ts";

// Looked at together, once more, before they count as missing; so few that they are garbage before it is collected seldom.
const AT_ONCE = 1024;

/**
 * What of the backups is not there in the size it should have; no contents are read but those of indexes, tables and part
 * lists. A backup that is being deleted meanwhile is left out. In the order of the backups.
 */
export async function storedDamage(
  repository: Repository,
  stock: DatabaseStock,
  signal: AbortSignal,
): Promise<StoredDamage[]> {
  const found = new Map<string, { count: number; problems: ProofProblem[] }>();
  const tell = (id: string, problem: ProofProblem): void => {
    const one = found.get(id) ?? { count: 0, problems: [] };
    found.set(id, one);
    one.count += 1;
    if (one.problems.length < PROBLEMS_KEPT) one.problems.push(problem);
  };
  for (const { id, reason, index } of stock.listing.damaged) {
    // What a listing finds wrong with a snapshot lies in its manifest, which is looked at below.
    if (index?.kind === "archive") tell(id, problemOf("archive", reason));
  }
  for (const index of stock.indexes) await tellManifest(repository, stock, index, tell, signal);
  await tellParts(repository, stock, tell, signal);
  const damaged: StoredDamage[] = [];
  for (const index of stock.indexes) {
    const one = found.get(index.id);
    if (one === undefined) continue;
    // Index first is how backups are deleted: what is missing of one that has none any more is no damage.
    if ((await repository.storage.stat(indexKey(index.database, index.id), signal)) === undefined) continue;
    damaged.push({ index, problemCount: one.count, problems: one.problems });
  }
  return damaged;
}

type Tell = (id: string, problem: ProofProblem) => void;

function problemOf(object: ProofProblem["object"], reason: string): ProofProblem {
  return { object, table: null, part: null, reason };
}

/** The two objects beside the index: their size, and whether the list of tables can be read. */
async function tellManifest(
  { storage }: Repository,
  { database, stored, unread }: DatabaseStock,
  index: BackupIndex,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const sizes = stored.manifests.get(index.id);
  for (const [object, key] of [
    ["tables", tablesKey(database, index.id)],
    ["content", contentKey(database, index.id)],
  ] as const) {
    const want = index[object].size;
    if (sizes?.get(object) === want) continue;
    const size = (await storage.stat(key, signal))?.size;
    if (size === want) continue;
    const state = size === undefined ? "is not there" : `has ${size} bytes, the index says ${want}`;
    tell(index.id, problemOf(object, `its object ${key} ${state}`));
  }
  for (const { index: of, table, reason } of unread) {
    const isKnown = index.tables.size !== (sizes?.get("tables") ?? -1);
    if (of.id === index.id && table === null && !isKnown) tell(index.id, problemOf("tables", reason));
  }
}

/** Part lists that cannot be read, and parts and part lists that are not there: of each backup that needs them. */
async function tellParts(
  repository: Repository,
  { indexes, holdings, unread }: DatabaseStock,
  tell: Tell,
  signal: AbortSignal,
): Promise<void> {
  const bad = new ByteTable(NAME_BYTES, 0);
  const reasons = new Map<string, string>();
  for (const { table, reason } of unread) {
    if (table?.partList == null) continue;
    bad.add(packName(table.partList.name));
    reasons.set(table.partList.name, reason);
  }
  let waiting: Amiss[] = [];
  const look = async (): Promise<void> => {
    const sizes = await lookAgain(
      repository.storage,
      waiting.map(({ key }) => key),
      signal,
    );
    for (const [at, { name, size }] of waiting.entries()) if (sizes[at] !== size) bad.add(packName(name));
    waiting = [];
  };
  for (const amiss of holdings.amiss()) {
    waiting.push(amiss);
    if (waiting.length === AT_ONCE) await look();
  }
  await look();
  if (bad.size === 0) return;
  const isBad = (name: PartName): boolean => bad.find(packName(name)) !== undefined;
  const lost: Lost = {
    list: (name) => (isBad(name) ? (reasons.get(name) ?? `part list ${name} ${MISSING}`) : undefined),
    part: (name) => (isBad(name) ? `part ${name} ${MISSING}` : undefined),
  };
  for (const index of indexes.filter(isSnapshot))
    await tellLostOf(repository, index, lost, (problem) => tell(index.id, problem), signal);
}
