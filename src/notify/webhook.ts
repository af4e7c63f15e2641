import { createHmac } from "node:crypto";
import type { WebhookChannel } from "../config/notify.ts";
import { resolveTemplate } from "../config/interpolate.ts";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { post } from "./http.ts";
import type { Notice } from "./notice.ts";

const HEADER = "handled-signature";

/**
 * Posts the event as JSON. The header `Handled-Signature: t=<seconds>,v1=<hex>` is Stripe's scheme
 * (https://docs.stripe.com/webhooks#verify-manually): HMAC-SHA256, under the channel's secret, of the time, a dot and the body
 * as it was sent. The time is inside what is signed, so a receiver that refuses old ones cannot be sent one a second time later.
 */
export async function sendWebhook(
  runtime: Runtime,
  channel: WebhookChannel,
  { event, subject, text, severity }: Notice,
  signal: AbortSignal,
): Promise<void> {
  const url = resolveTemplate(runtime, channel.url).trim();
  const secret = resolveTemplate(runtime, channel.secret);
  runtime.secrets.add(secret);
  // Anybody can make the signature of an empty key.
  if (secret === "") throw new AppError("channel_refused", "its `secret` is empty");
  const at = runtime.clock.now();
  const body = JSON.stringify({ ...event, at: at.toISOString(), severity, subject, text });
  const headers = { [HEADER]: signature(secret, Math.floor(at.getTime() / 1000), body) };
  await post(runtime, { url, contentType: "application/json", body, headers }, signal);
}

function signature(secret: string, seconds: number, body: string): string {
  const hex = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return `t=${seconds},v1=${hex}`;
}
