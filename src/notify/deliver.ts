import type { Channel, MessageChannel, PingChannel } from "../config/notify.ts";
import { AppError, ERRORS, inOperation } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { sendEmail } from "./email.ts";
import type { Notice } from "./notice.ts";
import { type PingEvent, sendPing } from "./ping.ts";
import { sendSlack } from "./slack.ts";
import { sendWebhook } from "./webhook.ts";
import { within } from "./within.ts";

/** What came of a message. */
export interface Delivery {
  readonly channel: string;
  /** Why it did not arrive; undefined where it did. */
  readonly error: AppError | undefined;
  /** What was not right though it arrived: a recipient that the server refuses. */
  readonly remark: string | undefined;
  readonly attempts: number;
  readonly durationMs: number;
}

interface Effort {
  /** How long one attempt may take. */
  readonly timeoutMs: number;
  /** How long to wait before each further attempt; a server that says how long is listened to, within reason. */
  readonly pausesMs: readonly number[];
}

// Mail servers that slow strangers down take some seconds; a minute and a half in all is what a scheduler can wait.
const FOR_MESSAGES: Effort = { timeoutMs: 20_000, pausesMs: [3000, 15_000] };
// A backup waits for it at its end.
const FOR_PINGS: Effort = { timeoutMs: 10_000, pausesMs: [2000] };
const LONGEST_PAUSE_MS = 30_000;

/** Sends a message through a channel. What goes wrong is in what it returns; throws only when aborted. */
export async function deliver(
  runtime: Runtime,
  channel: MessageChannel,
  notice: Notice,
  signal: AbortSignal,
): Promise<Delivery> {
  const send = async (last: AbortSignal): Promise<string | undefined> => {
    switch (channel.kind) {
      case "email":
        return await sendEmail(runtime, channel, notice, FOR_MESSAGES.timeoutMs, last);
      case "slack":
        await sendSlack(runtime, channel, notice, last);
        return undefined;
      case "webhook":
        await sendWebhook(runtime, channel, notice, last);
        return undefined;
    }
  };
  return await trying(runtime, channel, FOR_MESSAGES, send, signal);
}

/** Calls a ping's address. What goes wrong is in what it returns; throws only when aborted. */
export async function deliverPing(
  runtime: Runtime,
  channel: PingChannel,
  event: PingEvent,
  words: string,
  signal: AbortSignal,
): Promise<Delivery> {
  const send = async (last: AbortSignal): Promise<undefined> => {
    await sendPing(runtime, channel, event, words, last);
  };
  return await trying(runtime, channel, FOR_PINGS, send, signal);
}

/** Tries as often as an effort has it, as long as another try may help. */
async function trying(
  runtime: Runtime,
  { name }: Channel,
  { timeoutMs, pausesMs }: Effort,
  send: (signal: AbortSignal) => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<Delivery> {
  const { clock } = runtime;
  const began = clock.monotonic();
  const ended = (attempts: number, error?: AppError, remark?: string): Delivery => {
    return { channel: name, error, remark, attempts, durationMs: clock.monotonic() - began };
  };
  for (let attempts = 1; ; attempts++) {
    try {
      return ended(attempts, undefined, await within(clock, timeoutMs, signal, send));
    } catch (error) {
      signal.throwIfAborted();
      const failure = inOperation(`send to ${name}`, error);
      const pause = pausesMs[attempts - 1];
      if (pause === undefined || !ERRORS[failure.code].retry) return ended(attempts, failure);
      await clock.wait(Math.max(pause, askedPause(failure)), signal);
    }
  }
}

function askedPause({ details }: AppError): number {
  const { retryAfterMs } = details;
  return typeof retryAfterMs === "number" ? Math.min(retryAfterMs, LONGEST_PAUSE_MS) : 0;
}
