import { hostname } from "node:os";
import type { Channel, Notify } from "../config/notify.ts";
import { AppError } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import { nearest } from "../lib/text.ts";
import { deliver, type Delivery, deliverPing } from "./deliver.ts";
import { testNotice } from "./messages.ts";

const AT_ONCE = 8;

export interface TestedChannel extends Delivery {
  readonly kind: Channel["kind"];
}

/**
 * Sends a test through each of these channels, or all. A ping is called in the way that says nothing of a backup.
 * Fails with `usage` for a name that there is not.
 */
export async function testChannels(
  runtime: Runtime,
  { channels }: Notify,
  names: readonly string[],
  signal: AbortSignal,
): Promise<TestedChannel[]> {
  const all = channels.map(({ name }) => name);
  const chosen = (names.length === 0 ? all : [...new Set(names)]).map((name) => {
    const found = channels.find((channel) => channel.name === name);
    if (found !== undefined) return found;
    const similar = nearest(name, all);
    throw new AppError("usage", `find channel ${name}: the strategy has none of this name`, {
      hint: similar === undefined ? `it has ${all.join(", ")}` : `did you mean \`${similar}\`?`,
    });
  });
  return await mapBounded(chosen, AT_ONCE, async (channel) => {
    const notice = testNotice(channel.name, hostname());
    const delivery =
      channel.kind === "ping"
        ? await deliverPing(runtime, channel, "log", notice.text, signal)
        : await deliver(runtime, channel, notice, signal);
    // That some are not reached is what a test is to find out.
    const { remark } = delivery;
    const error = remark === undefined ? delivery.error : new AppError("channel_refused", remark);
    return { ...delivery, error, kind: channel.kind };
  });
}
