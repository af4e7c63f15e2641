import { createHash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import { makeRuntime } from "../../lib/runtime.ts";
import { decompressFrames, readFrames } from "../../lib/zstd-frames.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { joinSnapshot } from "../../postgres/snapshot.ts";
import { partKey } from "../../repository/layout.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { textHashOf, nameHashOf } from "../../repository/part-names.ts";
import { readPart, readParts } from "../../repository/parts.ts";
import { openPlace } from "../../repository/sealing/open-place.ts";
import { compareStored, getStored, opensSecrets } from "../../repository/sealing/stored-object.ts";
import type { Storage } from "../../storage/storage.ts";
import type { CheckMessage, CheckOutcome, CheckTask, CheckWorkerData, PartDamage } from "./check-messages.ts";
import { digestCopy } from "./digest-copy.ts";
import { isHeld } from "./part-batches.ts";
import { RowDigest } from "./row-digest.ts";
import { SET_COPY_SETTINGS } from "./session-settings.ts";
import { threadError } from "./threads.ts";
import type { RowsRead } from "./worker-messages.ts";

// A thread of `check-pool.ts`: reads parts or tables to their end, and tells what their rows are. One task at a time; an
// undefined one ends the thread.

const port = parentPort;
if (port === null) throw new AppError("unexpected", "the check worker was not started as a thread");
const send = (message: CheckMessage): void => port.postMessage(message);
const data = workerData as CheckWorkerData;
const runtime = makeRuntime({ env: data.env });
// The main thread ends this one when it stops; nothing here has to be told.
const { signal } = new AbortController();
// Opened once: a connection to an object store is kept.
const store =
  data.store === null ? null : { ...data.store, storage: openPlace(runtime, data.store.location) };
const isOpened = store === null || opensSecrets(store.storage);
// Its memory is reserved once for all tasks.
const digest = new RowDigest();

const nameOf = (textHash: string): string =>
  store === null ? textHash : nameHashOf(store.storage.location, textHash);

const tasks: (CheckTask | undefined)[] = [];
let wake: (() => void) | undefined;
port.on("message", (task: CheckTask | undefined) => {
  tasks.push(task);
  wake?.();
});

async function nextTask(): Promise<CheckTask | undefined> {
  while (tasks.length === 0) {
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  return tasks.shift();
}

async function work(): Promise<void> {
  await using session = data.server === null ? undefined : await openSession(data.server);
  send({ kind: "ready" });
  for (let task = await nextTask(); task !== undefined; task = await nextTask()) {
    send({ kind: "done", outcome: await perform(task, session) });
  }
}

async function openSession({ settings, snapshot }: NonNullable<CheckWorkerData["server"]>): Promise<Session> {
  const session = await connect(runtime, settings, signal);
  if (snapshot === null) await session.query("begin isolation level repeatable read read only");
  else await joinSnapshot(session, snapshot);
  await session.query(SET_COPY_SETTINGS);
  return session;
}

async function perform(task: CheckTask, session: Session | undefined): Promise<CheckOutcome> {
  if (task.kind === "parts") return { kind: "parts", damage: await checkParts(task.parts) };
  if (session === undefined) throw new AppError("unexpected", "digest rows: no server was named");
  return { kind: "rows", rows: await digestCopy(session, task.sql, digest) };
}

async function checkParts(parts: readonly PartLine[]): Promise<PartDamage[]> {
  if (store === null) throw new AppError("unexpected", "check parts: no repository was named");
  const { storage, database } = store;
  if (!isOpened) return await compareParts(storage, database, parts);
  const held = parts.every(isHeld) ? await readParts({ storage }, database, parts, signal) : [];
  const damage: PartDamage[] = [];
  for (const [at, part] of parts.entries()) {
    const reason = await damageOf(part, async () => {
      const stored = held[at];
      if (stored instanceof AppError) throw stored;
      return stored === undefined
        ? readFrames(await readPart({ storage }, database, part, signal))
        : decompressFrames(stored);
    });
    if (reason !== null) damage.push({ at, reason });
  }
  return damage;
}

/** As they lie there: what is in them, no key that is known here opens. */
async function compareParts(
  storage: Storage,
  database: string,
  parts: readonly PartLine[],
): Promise<PartDamage[]> {
  const wanted = parts.map((ref) => ({ key: partKey(database, ref.name), what: `part ${ref.name}`, ref }));
  const lenient = { sealedToAll: false };
  const held = parts.every(isHeld) ? await getStored(storage, wanted, lenient, signal) : [];
  const damage: PartDamage[] = [];
  for (const [at, one] of wanted.entries()) {
    const reason = await reasonOf(async () => {
      const stored = held[at];
      if (stored instanceof AppError) throw stored;
      if (stored === undefined) await compareStored(storage, one, lenient, signal);
      return null;
    });
    if (reason !== null) damage.push({ at, reason });
  }
  return damage;
}

/** What is wrong with a part, of which `open` gives the text. */
async function damageOf(
  part: PartLine,
  open: () => Promise<AsyncIterable<Buffer> | Iterable<Buffer>>,
): Promise<string | null> {
  return await reasonOf(async () => {
    const text = createHash("sha256");
    let bytes = 0;
    for await (const piece of await open()) {
      text.update(piece);
      digest.update(piece);
      bytes += piece.length;
    }
    return differenceOf(part, { bytes, ...digest.finish(), nameHash: nameOf(text.digest("hex")) });
  });
}

async function reasonOf(check: () => Promise<string | null>): Promise<string | null> {
  try {
    return await check();
  } catch (error) {
    forgetText();
    // A disk that cannot give a part back has lost it, whatever it says.
    if (!isAppError(error, "backup_damaged") && !isAppError(error, "repository_unusable")) throw error;
    return messageOf(error);
  }
}

/** What the digest was fed of a damaged part must not become the beginning of the next. */
function forgetText(): void {
  try {
    digest.finish();
  } catch (error) {
    // It ended within a row, and is empty now.
    if (!isAppError(error, "backup_damaged")) throw error;
  }
}

function differenceOf(part: PartLine, found: RowsRead & { readonly nameHash: string }): string | null {
  const what = `read part ${part.name}`;
  if (found.nameHash !== textHashOf(part.name))
    return `${what}: its text is not the one that it is named after`;
  if (found.bytes !== part.bytes) return `${what}: ${found.bytes} bytes of text, its list says ${part.bytes}`;
  if (found.rows !== part.rows) return `${what}: ${found.rows} rows, its list says ${part.rows}`;
  return found.digest === part.digest ? null : `${what}: its rows have another digest than its list says`;
}

try {
  await work();
} catch (error) {
  send({ kind: "failed", error: threadError(error) });
}
port.close();
