import type { SlackChannel } from "../config/notify.ts";
import { resolveTemplate } from "../config/interpolate.ts";
import type { Runtime } from "../lib/runtime.ts";
import { post } from "./http.ts";
import type { Notice } from "./notice.ts";

// Slack cuts a text off at 40,000 characters (https://docs.slack.dev/reference/methods/chat.postMessage).
const LONGEST = 39_000;

/**
 * Posts to an incoming webhook: JSON with the one field `text`, of which `&`, `<` and `>` are escaped
 * (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks). That is all there is to it, so no package is
 * needed, and Mattermost and Rocket.Chat understand the same.
 */
export async function sendSlack(
  runtime: Runtime,
  channel: SlackChannel,
  { subject, text }: Notice,
  signal: AbortSignal,
): Promise<void> {
  const url = resolveTemplate(runtime, channel.url).trim();
  const escaped = (part: string): string =>
    part.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const body = JSON.stringify({ text: `*${escaped(subject)}*\n${escaped(text)}`.slice(0, LONGEST) });
  await post(runtime, { url, contentType: "application/json", body }, signal);
}
