import { counted, formatDuration } from "../../lib/text.ts";
import type { TestedChannel } from "../../notify/test-channels.ts";
import type { NotifyTestJson } from "../../json/notify.ts";
import type { Output } from "../output.ts";

export function notifyTestJson(tested: readonly TestedChannel[]): NotifyTestJson {
  return {
    channels: tested.map(({ channel, kind, error, attempts, durationMs }) => ({
      channel,
      kind,
      delivered: error === undefined,
      attempts,
      durationMs: Math.round(durationMs),
      error:
        error === undefined ? null : { code: error.code, message: error.message, hint: error.hint ?? null },
    })),
  };
}

export function renderNotifyTest(output: Output, tested: readonly TestedChannel[]): string {
  return tested
    .map(({ channel, kind, error, attempts, durationMs }) => {
      const name = `${channel} (${kind})`;
      const took = formatDuration(durationMs);
      if (error === undefined) return `${output.paint("green", "✓")} ${name}: arrived in ${took}`;
      const hint = error.hint === undefined ? "" : `\n  hint: ${error.hint}`;
      const tries = attempts === 1 ? "" : `, tried ${counted(attempts, "time")} in ${took}`;
      return `${output.paint("red", "✗")} ${name}: did not arrive${tries}: ${error.message}${hint}`;
    })
    .join("\n");
}
