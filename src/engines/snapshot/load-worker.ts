import { parentPort } from "node:worker_threads";
import { AppError } from "../../errors.ts";
import { makeRuntime, type Observer } from "../../lib/runtime.ts";
import { connect } from "../../postgres/session.ts";
import { openPlace } from "../../repository/sealing/open-place.ts";
import type { LoadCall, LoadMainMessage, LoadWorkerMessage } from "./load-messages.ts";
import { textOf } from "./load-text.ts";
import { observerOfThread, threadError } from "./threads.ts";

// A thread of `load-thread.ts`: has a connection, runs statements on it and loads rows. All the work on the rows happens
// here, in parallel. Once everything that takes is loaded it waits to be told where to connect.

const port = parentPort;
if (port === null) throw new AppError("unexpected", "the load worker was not started as a thread");
const send = (message: LoadWorkerMessage): void => port.postMessage(message);
const tell: Observer = (phase, operation) => send({ kind: "observed", phase, operation });

// What the server does for us has to be stopped too.
const stop = new AbortController();
const inbox: LoadMainMessage[] = [];
let wake: (() => void) | undefined;
port.on("message", (message: LoadMainMessage) => {
  if (message.kind === "abort") stop.abort(new AppError("interrupted", "restore: stopped"));
  else inbox.push(message);
  wake?.();
});

async function receive(): Promise<LoadMainMessage> {
  for (;;) {
    stop.signal.throwIfAborted();
    const message = inbox.shift();
    if (message !== undefined) return message;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
}

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

try {
  const message = await receive();
  if (message.kind === "begin") await work(message.call);
  else if (message.kind !== "end") throw new AppError("unexpected", `load rows: ${message.kind} out of turn`);
} catch (error) {
  send({ kind: "failed", error: threadError(error) });
}
port.close();
