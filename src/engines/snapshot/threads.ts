import { AppError, type ErrorCode, messageOf } from "../../errors.ts";
import { type Observer, silentObserver } from "../../lib/runtime.ts";

// Starting a thread takes about as long as copying or checking this many bytes of rows.
const WORTH_A_THREAD = 32 * 1024 * 1024;

/** How many threads so many bytes of rows are worth: one, and another for each time that starting it pays. */
export function threadsFor(bytes: number, most: number): number {
  return Math.min(most, 1 + Math.floor(bytes / WORTH_A_THREAD));
}

/** An error that crosses a thread: causes stay behind. */
export interface ThreadError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

/** An error as it can be sent. */
export function threadError(error: unknown): ThreadError {
  const { code, message, hint, details } =
    error instanceof AppError ? error : new AppError("unexpected", messageOf(error));
  // What is not data could not be sent.
  return { code, message, hint, details: JSON.parse(JSON.stringify(details)) as Record<string, unknown> };
}

/** What was sent, as an error again. */
export function errorOfThread({ code, message, hint, details }: ThreadError): AppError {
  return new AppError(code, message, { hint, details });
}

/** Counts operations of a thread that the main thread has looked at; null where nobody looks. */
export type Observed = Int32Array<SharedArrayBuffer> | null;

export function makeObserved(observer: Observer): Observed {
  return observer === silentObserver
    ? null
    : new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** In the main thread: it has looked, the thread may go on. */
export function countObserved(observed: Observed): void {
  if (observed === null) return;
  Atomics.add(observed, 0, 1);
  Atomics.notify(observed, 0);
}

/** In a thread: tells the main thread of each operation, and waits until it has looked: a crash test ends the process there. */
export function observerOfThread(observed: Observed, tell: Observer): Observer {
  if (observed === null) return silentObserver;
  return (phase, operation) => {
    const seen = Atomics.load(observed, 0);
    tell(phase, operation);
    Atomics.wait(observed, 0, seen);
  };
}
