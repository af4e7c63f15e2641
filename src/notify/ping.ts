import { resolveTemplate } from "../config/interpolate.ts";
import type { PingChannel } from "../config/notify.ts";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { post } from "./http.ts";

/** What is told: that a backup begins, was taken, or was not; `log` says nothing of either, and tries the address. */
export type PingEvent = "start" | "success" | "fail" | "log";

const PATH: Readonly<Record<PingEvent, string>> = {
  start: "/start",
  success: "",
  fail: "/fail",
  log: "/log",
};

/**
 * Calls the address as healthchecks.io has it (https://healthchecks.io/docs/http_api/): as it is for success, with `/start`,
 * `/fail` or `/log` after its path otherwise; the words in the body are shown there.
 */
export async function sendPing(
  runtime: Runtime,
  channel: PingChannel,
  event: PingEvent,
  words: string,
  signal: AbortSignal,
): Promise<void> {
  const text = resolveTemplate(runtime, channel.url).trim();
  if (!URL.canParse(text)) throw new AppError("channel_refused", "its address is no https:// or http:// URL");
  runtime.secrets.add(text);
  const url = new URL(text);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}${PATH[event]}`;
  const body = runtime.secrets.redact(words);
  await post(runtime, { url: url.href, contentType: "text/plain; charset=utf-8", body }, signal);
}
