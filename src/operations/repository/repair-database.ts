import { silentReporter, type Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { recoverUnfinished } from "../../repository/backups.ts";
import { collectGarbage } from "../../repository/collect.ts";
import { listNotes, readNote } from "../../repository/garbage-notes.ts";
import { acquireLease, type Lease } from "../../repository/lease.ts";
import { highestLease } from "../../repository/lease-file.ts";
import { describeReader, livingReaders, readersOf } from "../../repository/readers.ts";
import type { Repository } from "../../repository/repository.ts";
import { listGoodBackups } from "../damage-found.ts";
import { updateLatest } from "../latest.ts";
import { recordStored, type StoredDamage } from "../record-stored.ts";
import { checkDatabase } from "./check-database.ts";
import { indexlessOf, removeIndexless } from "./indexless.ts";
import { wrongLinks } from "./latest-links.ts";
import type { RepairRequest, RepairStep } from "./repair.ts";

export type Tell = (step: Partial<RepairStep> & Pick<RepairStep, "id" | "message">) => void;

interface Run {
  readonly runtime: Runtime;
  readonly repository: Repository;
  readonly database: string;
  readonly lease: Lease;
  readonly tell: Tell;
}

/** Mends what is stored of one database, under its lease. Each step is safe to be cut off, and to be done again. */
export async function repairDatabase(
  runtime: Runtime,
  repository: Repository,
  database: string,
  { prefix, garbageAgeMs }: RepairRequest,
  tellOf: Tell,
  signal: AbortSignal,
): Promise<void> {
  const tell: Tell = (step) => tellOf({ database, ...step });
  const before = await highestLease(repository.storage, database, signal);
  await using lease = await acquireLease(runtime, repository, database, "repair", signal);
  const held = AbortSignal.any([signal, lease.lost]);
  if (before !== undefined && before.file?.released !== true)
    tell({ id: "lease", message: "took over the lease of a run that died" });
  const run: Run = { runtime, repository, database, lease, tell };
  await recover(run, held);
  const isRead = await removeDeadReaders(run, held);
  // Looked at again: before the lease was ours, others may have written.
  const { stock, unrecorded } = await checkDatabase(runtime, repository, database, prefix, held);
  for (const damage of unrecorded) await recordDamage(run, damage, held);
  await mendLinks(run, prefix, held);
  await removeUnreadableNotes(run, held);
  const indexless = indexlessOf(stock);
  if (indexless.length > 0 && !isRead) {
    const { noted, waiting, deleted, locked } = await removeIndexless(
      runtime,
      repository,
      database,
      indexless,
      garbageAgeMs,
      lease,
      held,
    );
    for (const id of deleted) tell({ id: "index-less", message: `deleted the remains of ${id}` });
    for (const id of noted)
      tell({
        id: "index-less",
        message: `noted the remains of ${id}, which has no index, for a later run to delete`,
      });
    for (const id of waiting)
      tell({ id: "index-less", message: `the remains of ${id} were noted before, and wait`, isLeft: true });
    for (const { id, until } of locked)
      tell({
        id: "index-less",
        message: `the remains of ${id} are locked until ${until.toISOString()}`,
        isLeft: true,
      });
  }
  if (stock.stored.kinds.orphans.objects > 0) await collect(run, garbageAgeMs, held);
}

async function recover(
  { runtime, repository, database, lease, tell }: Run,
  signal: AbortSignal,
): Promise<void> {
  const { removed, swept, left } = await recoverUnfinished(runtime, repository, database, lease, signal);
  for (const id of removed)
    tell({ id: "unfinished", message: `removed the remains of ${id}, cut off by a crash` });
  for (const id of left)
    tell({ id: "unfinished", message: `left something of ${id}, cut off by a crash`, isLeft: true });
  if (swept > 0) tell({ id: "temporary-files", message: `removed ${counted(swept, "temporary file")}` });
}

/** Says whether somebody reads. */
async function removeDeadReaders(
  { runtime, repository, database, lease, tell }: Run,
  signal: AbortSignal,
): Promise<boolean> {
  const before = await readersOf(repository.storage, database, signal);
  if (before.length === 0) return false;
  const living = await livingReaders(runtime, repository, database, lease, signal);
  const keys = new Set(living.map(({ key }) => key));
  for (const reader of before) {
    if (!keys.has(reader.key))
      tell({
        id: "read-marker",
        message: `removed the read marker of ${describeReader(reader)}, which is dead`,
      });
  }
  return living.length > 0;
}

/** So that the backup counts for nothing, and the next snapshot reads again what is missing. */
async function recordDamage(
  { runtime, repository, tell }: Run,
  damage: StoredDamage,
  signal: AbortSignal,
): Promise<void> {
  await recordStored(runtime, repository, "repair", damage, signal);
  const { index, problems, problemCount } = damage;
  const what = `${counted(problemCount, "problem")}, the first: ${problems[0]?.reason ?? ""}`;
  tell({ id: "damage", message: `recorded that ${index.id} is damaged and counts for nothing (${what})` });
}

async function mendLinks(
  { runtime, repository, database, lease, tell }: Run,
  prefix: string,
  signal: AbortSignal,
): Promise<void> {
  const { backups } = await listGoodBackups(runtime, repository, database, signal);
  const wrong = await wrongLinks(repository, database, prefix, backups);
  if (wrong.length === 0) return;
  await lease.check(signal);
  await updateLatest(repository, database, prefix, backups, signal);
  const still = new Set((await wrongLinks(repository, database, prefix, backups)).map(({ key }) => key));
  for (const { key, wanted } of wrong) {
    const message =
      wanted === undefined
        ? `removed ${key}, for no good archive of its kind is there`
        : `pointed ${key} at the newest good archive, ${wanted}`;
    if (!still.has(key)) tell({ id: "latest-link", message });
  }
}

/** What one noted is noted again, and lives the longer for it. */
async function removeUnreadableNotes(
  { runtime, repository, database, lease, tell }: Run,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  for (const note of await listNotes(storage, database, signal)) {
    let isReadable = true;
    const listening = {
      ...runtime,
      reporter: {
        ...silentReporter,
        warn: () => {
          isReadable = false;
        },
      },
    };
    for await (const _ of readNote(listening, storage, note, signal)) break;
    if (isReadable) continue;
    await lease.check(signal);
    await storage.delete(note.key, signal);
    tell({ id: "garbage-note", message: `removed the unreadable note ${note.key}` });
  }
}

async function collect(
  { runtime, repository, database, lease, tell }: Run,
  minAgeMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { noted, deleted, locked, refused } = await collectGarbage(
    runtime,
    repository,
    database,
    lease,
    { minAgeMs },
    signal,
  );
  const what = ({ objects, bytes }: typeof noted): string =>
    `${counted(objects, "object")} that no backup needs (${formatBytes(bytes)})`;
  if (deleted.objects > 0) tell({ id: "orphans", message: `deleted ${what(deleted)}` });
  if (noted.objects > 0) tell({ id: "orphans", message: `noted ${what(noted)}, for a later run to delete` });
  if (locked.objects > 0) {
    const until = locked.until === undefined ? "" : ` until ${locked.until.toISOString()}`;
    tell({ id: "orphans", message: `${what(locked)}: locked${until}`, isLeft: true });
  }
  for (const reason of refused)
    tell({ id: "orphans", message: `no orphan is deleted: ${reason}`, isLeft: true });
}
