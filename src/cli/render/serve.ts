import type { DaemonEvent } from "../../daemon/daemon.ts";
import { counted, formatDuration } from "../../lib/text.ts";
import { describeJob, scheduledJobs } from "../../operations/schedule/jobs.ts";
import type { ServeEventJson } from "../../json/serve.ts";
import type { Output } from "../output.ts";
import { formatTime } from "./time.ts";

export function eventJson(event: DaemonEvent, now: Date): ServeEventJson {
  const { database, operation, entry } = subjectOf(event);
  const ended = event.kind === "job ended" ? event : undefined;
  return {
    time: now.toISOString(),
    event: event.kind,
    database,
    operation,
    entry,
    outcome: ended?.end.outcome ?? null,
    durationMs: ended === undefined ? null : Math.round(ended.tookMs),
    message: messageOf(event),
    hint: hintOf(event) ?? null,
  };
}

/** `2026-11-28 02:00:00 data: backup nightly: started`, and a line with what to do, where something is to be done. */
export function renderEvent(output: Output, event: DaemonEvent, now: Date, timeZone: string): string {
  const { database, operation, entry } = subjectOf(event);
  const subject = [
    ...(database === null ? [] : [database]),
    ...(operation === null ? [] : [describeJob({ operation, entry })]),
  ];
  const begin = output.paint("dim", formatTime(now, timeZone));
  const text = [...subject, messageOf(event)].join(": ");
  const hint = hintOf(event);
  return [
    `${begin} ${output.paint(colorOf(event), text)}`,
    ...(hint === undefined ? [] : [`${begin} ${output.paint("cyan", "hint:")} ${hint}`]),
  ].join("\n");
}

function subjectOf(event: DaemonEvent) {
  if ("job" in event) return event.job;
  return { database: "database" in event ? event.database : null, operation: null, entry: null };
}

function messageOf(event: DaemonEvent): string {
  switch (event.kind) {
    case "reloaded": {
      const jobs = scheduledJobs(event.strategy).length;
      const what = `${event.strategy.path} with ${counted(jobs, "scheduled job")}`;
      return event.first ? `watching ${what}` : `the strategy was read again: ${what}`;
    }
    case "strategy broken":
      return `the strategy stays as it was: ${event.error.message}`;
    case "history unread":
      return `its history cannot be read: ${event.error.message}`;
    case "job started":
      return event.due.why === "retry" ? "started again" : "started";
    case "job line":
      return event.line;
    case "job ended": {
      const took = `after ${formatDuration(event.tookMs)}`;
      return event.end.outcome === "done"
        ? `done ${took}`
        : `${event.end.outcome} ${took} (${event.end.how})`;
    }
    case "told":
      return `${counted(event.messages, "message")} sent`;
    case "not told":
      return `nobody could be told: ${event.error.message}`;
    case "listening":
      return `metrics at ${event.url}/metrics and the dashboard at ${event.url}`;
    case "set up":
      return `nobody can sign in yet; this link makes the first user: ${event.url}`;
    case "not listening":
      return `there are no metrics: ${event.error.message}`;
    case "not answered":
      return event.error.message;
    case "stopping":
      return event.running === 0 ? "stopping" : `stopping; ${counted(event.running, "job")} are told to end`;
  }
}

function hintOf(event: DaemonEvent): string | undefined {
  return "error" in event ? event.error.hint : undefined;
}

function colorOf(event: DaemonEvent): "red" | "yellow" | "green" | "bold" | "dim" {
  switch (event.kind) {
    case "strategy broken":
    case "history unread":
    case "not told":
    case "not listening":
    case "not answered":
      return "red";
    case "job line":
      return "dim";
    case "job ended":
      return event.end.outcome === "done" ? "green" : event.end.outcome === "degraded" ? "yellow" : "red";
    case "reloaded":
    case "told":
    case "listening":
    case "set up":
    case "job started":
    case "stopping":
      return "bold";
  }
}
