import { parentPort } from "node:worker_threads";
import { AppError } from "../../errors.ts";
import { type ThreadError, threadError } from "./threads.ts";

/** What the main thread says to every thread: what it is called for, and that there is no more of it. */
export type Calling<Call> = { readonly kind: "begin"; readonly call: Call } | { readonly kind: "end" };

/** What every thread answers: it did what it was called for and waits for more; or it could not, and ends. */
export type Answering = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: ThreadError };

/** A thread's end of what it and the main thread tell each other. */
export interface ThreadPort<In, Out> {
  readonly send: (message: Out) => void;
  /** The next message, each once and in their order. Fails when the signal is aborted. */
  readonly receive: (signal?: AbortSignal) => Promise<In>;
}

/** The port of this thread. `hear` is told of every message as it comes, before anybody receives it. */
export function openThreadPort<In, Out>(hear?: (message: In) => void): ThreadPort<In, Out> {
  const port = parentPort;
  if (port === null) throw new AppError("unexpected", "this file was not started as a thread");
  const inbox: In[] = [];
  let wake: (() => void) | undefined;
  port.on("message", (message: In) => {
    hear?.(message);
    inbox.push(message);
    wake?.();
  });
  return {
    send: (message) => port.postMessage(message),
    receive: async (signal) => {
      for (;;) {
        signal?.throwIfAborted();
        const message = inbox.shift();
        if (message !== undefined) return message;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

/**
 * Does what the main thread calls for, one call after the other. `work` returns when it is told that there is no more. A
 * failure is told, and ends the thread: what it left half done must not become part of the next call.
 */
export async function serveCalls<Call, In extends { readonly kind: string }, Out>(
  port: ThreadPort<In | Calling<Call>, Out | Answering>,
  work: (call: Call) => Promise<void>,
): Promise<void> {
  try {
    for (;;) {
      const message = await port.receive();
      if (message.kind !== "begin") throw new AppError("unexpected", `a thread: ${message.kind} out of turn`);
      await work((message as { readonly call: Call }).call);
      port.send({ kind: "ended" });
    }
  } catch (error) {
    port.send({ kind: "failed", error: threadError(error) });
    parentPort?.close();
  }
}
