import { parentPort, workerData } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import { makeRuntime, type Runtime } from "../../lib/runtime.ts";
import { connect, quoteLiteral, type Session } from "../../postgres/session.ts";
import { writePart } from "../../repository/parts.ts";
import { openStorage } from "../../storage/open.ts";
import type { Storage } from "../../storage/storage.ts";
import { type BuiltPart, PartBuilder } from "./part-builder.ts";
import { COPY_SETTINGS } from "./session-settings.ts";
import type {
  CopiedPart,
  CopyJob,
  CopyWorkerData,
  MainMessage,
  ThreadError,
  WorkerMessage,
} from "./worker-messages.ts";

// A thread of `copy-pool.ts`: copies ranges of tables, one after the other, on a connection of its own in the exported
// snapshot; hashes, compresses and stores their parts. All the work on the rows happens here, in parallel.

const port = parentPort;
if (port === null) throw new AppError("unexpected", "the copy worker was not started as a thread");
const send = (message: WorkerMessage): void => port.postMessage(message);

const inbox: MainMessage[] = [];
let wake: (() => void) | undefined;
port.on("message", (message: MainMessage) => {
  inbox.push(message);
  wake?.();
});

async function receive(): Promise<MainMessage> {
  for (;;) {
    const message = inbox.shift();
    if (message !== undefined) return message;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

interface Desk {
  readonly session: Session;
  readonly storage: Storage;
  readonly data: CopyWorkerData;
  readonly signal: AbortSignal;
}

async function work(data: CopyWorkerData): Promise<void> {
  const runtime: Runtime = makeRuntime({ env: data.env });
  // The main thread ends this one when it stops; nothing here has to be told.
  const { signal } = new AbortController();
  const storage = openStorage(runtime, data.storageLocation);
  await using session = await connect(runtime, data.settings, signal);
  await session.query("begin isolation level repeatable read read only");
  await session.query(`set transaction snapshot ${quoteLiteral(data.snapshot)}`);
  for (const setting of COPY_SETTINGS) await session.query(setting);
  send({ kind: "ready" });
  for (;;) {
    const message = await receive();
    if (message.kind === "end") break;
    if (message.kind === "job") await copyRange({ session, storage, data, signal }, message.job);
  }
  await session.query("commit");
}

async function copyRange(desk: Desk, job: CopyJob): Promise<void> {
  const parts: CopiedPart[] = [];
  await using builder = new PartBuilder(desk.data.spoolFolder, async (part) => {
    parts.push(await storePart(desk, part));
  });
  await desk.session.copyOut(job.sql, (chunk) => builder.add(chunk));
  await builder.finish();
  send({ kind: "done", job: job.id, parts });
}

/** Stores a part unless the main thread knows one of the same text, which then stands for it. */
async function storePart({ storage, data, signal }: Desk, part: BuiltPart): Promise<CopiedPart> {
  const { textHash, rows, bytes, digest } = part;
  send({ kind: "made", textHash, bytes, rows });
  const answer = await receive();
  if (answer.kind !== "answer")
    throw new AppError("unexpected", `store a part: ${answer.kind} instead of an answer`);
  const stored = answer.known === null;
  const ref = answer.known ?? (await writePart({ storage }, data.database, textHash, part.read(), signal));
  return { line: { ...ref, rows, bytes, digest }, stored };
}

function threadError(error: unknown): ThreadError {
  if (error instanceof AppError) {
    const { code, message, hint, details } = error;
    return { code, message, hint, details: JSON.parse(JSON.stringify(details)) as Record<string, unknown> };
  }
  return { code: "unexpected", message: messageOf(error), hint: undefined, details: {} };
}

try {
  await work(workerData as CopyWorkerData);
} catch (error) {
  send({ kind: "failed", error: threadError(error) });
}
port.close();
