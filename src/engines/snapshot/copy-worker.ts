import { AppError } from "../../errors.ts";
import { InFlight } from "../../lib/in-flight.ts";
import { makeRuntime, type Observer, type Runtime } from "../../lib/runtime.ts";
import { connect } from "../../postgres/session.ts";
import { joinSnapshot } from "../../postgres/snapshot.ts";
import { copyRanges, type Desk } from "./copy-ranges.ts";
import { PartBuilder } from "./part-builder.ts";
import { RowDigest } from "./row-digest.ts";
import { SET_COPY_SETTINGS } from "./session-settings.ts";
import { readAgeScale } from "./tuple-identity.ts";
import { openPlace } from "../../repository/sealing/open-place.ts";
import { openThreadPort, serveCalls } from "./thread-port.ts";
import { observerOfThread, threadError } from "./threads.ts";
import type { CopyCall, MainMessage, WorkerMessage } from "./worker-messages.ts";

// A thread of `copy-pool.ts`: copies ranges of tables, one after the other, on a connection of its own in the exported
// snapshot; hashes, compresses and stores their parts. All the work on the rows happens here, in parallel. Once everything
// that takes is loaded it waits to be told which snapshot.

const port = openThreadPort<MainMessage, WorkerMessage>();
const { send, receive } = port;

const tell: Observer = (phase, operation) => send({ kind: "observed", phase, operation });

// Parts of one worker that are on their way to being durable at the same time.
const WRITES = 8;

async function work(call: CopyCall): Promise<void> {
  const runtime: Runtime = makeRuntime({ env: call.env, observer: observerOfThread(call.observed, tell) });
  // The main thread ends this one when it stops; nothing here has to be told.
  const { signal } = new AbortController();
  const storage = openPlace(runtime, call.storageLocation);
  await using session = await connect(runtime, call.settings, signal);
  await joinSnapshot(session, call.snapshot);
  await session.query(SET_COPY_SETTINGS);
  await using builder = new PartBuilder(call.spoolFolder);
  const writing = new InFlight(WRITES);
  const desk: Desk = {
    session,
    storage,
    writing,
    database: call.database,
    scale: call.earlierXmin === null ? null : await readAgeScale(session, call.earlierXmin),
    builder,
    digest: new RowDigest(),
    findKnown: async (textHash, bytes) => {
      send({ kind: "made", textHash, bytes });
      const answer = await receive();
      if (answer.kind === "answer") return answer.known;
      throw new AppError("unexpected", `store a part: ${answer.kind} instead of an answer`);
    },
  };
  send({ kind: "ready" });
  try {
    for (;;) {
      const message = await receive();
      if (message.kind === "end") break;
      if (message.kind !== "job")
        throw new AppError("unexpected", `copy tables: ${message.kind} out of turn`);
      const { id } = message.job;
      const { outcome } = await copyRanges(desk, message.job, signal);
      send({ kind: "read", job: id });
      void outcome.then((made) => send({ kind: "done", job: id, outcome: made }), tellFailure);
    }
  } finally {
    // Also after a failure: nothing may go on writing unseen.
    await writing.idle();
  }
  await session.query("commit");
}

/** The main thread then ends this one. */
function tellFailure(error: unknown): void {
  send({ kind: "failed", error: threadError(error) });
}

await serveCalls(port, work);
