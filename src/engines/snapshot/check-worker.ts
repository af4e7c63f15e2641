import { createHash } from "node:crypto";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import { makeRuntime, type Runtime } from "../../lib/runtime.ts";
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
import type {
  CheckCall,
  CheckMainMessage,
  CheckMessage,
  CheckOutcome,
  CheckTask,
  PartDamage,
} from "./check-messages.ts";
import { digestCopy } from "./digest-copy.ts";
import { isHeld } from "./part-batches.ts";
import { RowDigest } from "./row-digest.ts";
import { SET_COPY_SETTINGS } from "./session-settings.ts";
import { openThreadPort, serveCalls } from "./thread-port.ts";
import type { RowsRead } from "./worker-messages.ts";

// A thread of `check-pool.ts`: reads parts or tables to their end, and tells what their rows are. One task at a time.

/** Where parts lie that are to be checked. */
interface Store {
  /** Opened once for a call: a connection to an object store is kept. */
  readonly storage: Storage;
  readonly database: string;
}

const port = openThreadPort<CheckMainMessage, CheckMessage>();
// The main thread ends this one when it stops; nothing here has to be told.
const { signal } = new AbortController();
// Its memory is reserved once for all tasks.
const digest = new RowDigest();

async function work({ env, store: at, server }: CheckCall): Promise<void> {
  const runtime = makeRuntime({ env });
  const store = at === null ? null : { database: at.database, storage: openPlace(runtime, at.location) };
  await using session = server === null ? undefined : await openSession(runtime, server);
  port.send({ kind: "ready" });
  for (;;) {
    const message = await port.receive();
    if (message.kind === "end") break;
    if (message.kind !== "task") throw new AppError("unexpected", `check rows: ${message.kind} out of turn`);
    port.send({ kind: "done", outcome: await perform(message.task, store, session) });
  }
}

async function openSession(
  runtime: Runtime,
  { settings, snapshot }: NonNullable<CheckCall["server"]>,
): Promise<Session> {
  const session = await connect(runtime, settings, signal);
  if (snapshot === null) await session.query("begin isolation level repeatable read read only");
  else await joinSnapshot(session, snapshot);
  await session.query(SET_COPY_SETTINGS);
  return session;
}

async function perform(
  task: CheckTask,
  store: Store | null,
  session: Session | undefined,
): Promise<CheckOutcome> {
  if (task.kind === "parts") {
    if (store === null) throw new AppError("unexpected", "check parts: no repository was named");
    return { kind: "parts", damage: await checkParts(store, task.parts) };
  }
  if (session === undefined) throw new AppError("unexpected", "digest rows: no server was named");
  return { kind: "rows", rows: await digestCopy(session, task.sql, digest) };
}

async function checkParts({ storage, database }: Store, parts: readonly PartLine[]): Promise<PartDamage[]> {
  if (!opensSecrets(storage)) return await compareParts(storage, database, parts);
  const held = parts.every(isHeld) ? await readParts({ storage }, database, parts, signal) : [];
  const damage: PartDamage[] = [];
  for (const [at, part] of parts.entries()) {
    const reason = await damageOf(storage, part, async () => {
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
  storage: Storage,
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
    return differenceOf(part, {
      bytes,
      ...digest.finish(),
      nameHash: nameHashOf(storage.location, text.digest("hex")),
    });
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

await serveCalls(port, work);
