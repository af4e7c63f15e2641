import { AppError } from "../../errors.ts";
import { makeRuntime, type Observer } from "../../lib/runtime.ts";
import { connect } from "../../postgres/session.ts";
import { openPlace } from "../../repository/sealing/open-place.ts";
import type { LoadCall, LoadMainMessage, LoadWorkerMessage } from "./load-messages.ts";
import { textOf } from "./load-text.ts";
import { openThreadPort, serveCalls } from "./thread-port.ts";
import { observerOfThread, threadError } from "./threads.ts";

// A thread of `load-thread.ts`: has a connection, runs statements on it and loads rows. All the work on the rows happens
// here, in parallel. Once everything that takes is loaded it waits to be told where to connect.

// What the server does for us has to be stopped too.
const stop = new AbortController();
const port = openThreadPort<LoadMainMessage, LoadWorkerMessage>(({ kind }) => {
  if (kind === "abort") stop.abort(new AppError("interrupted", "restore: stopped"));
});
const { send } = port;
const tell: Observer = (phase, operation) => send({ kind: "observed", phase, operation });
const receive = async (): Promise<LoadMainMessage> => await port.receive(stop.signal);

async function work(call: LoadCall): Promise<void> {
  const runtime = makeRuntime({ env: call.env, observer: observerOfThread(call.observed, tell) });
  const { signal } = stop;
  const storage = openPlace(runtime, call.storageLocation, ({ place: failed, to, error }) =>
    send({ kind: "fell back", place: failed, to, error: threadError(error) }),
  );
  const place = { storage, database: call.database };
  await using session = await connect(runtime, call.settings, signal);
  send({ kind: "ready" });
  const next = async () => {
    send({ kind: "next" });
    const answer = await receive();
    if (answer.kind !== "parts") throw new AppError("unexpected", `load rows: ${answer.kind} out of turn`);
    return answer.parts;
  };
  const told = (bytes: number): void => send({ kind: "told", bytes });
  for (let message = await receive(); message.kind !== "end"; message = await receive()) {
    if (message.kind === "run") for (const statement of message.statements) await session.query(statement);
    else if (message.kind === "copy")
      await session.copyIn(message.sql, textOf(place, { next, told }, signal));
    else throw new AppError("unexpected", `load rows: ${message.kind} out of turn`);
    send({ kind: "done" });
  }
}

await serveCalls(port, work);
