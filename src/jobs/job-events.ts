import type { JobEvent, JobJson } from "../api/contract/jobs.ts";
import { ProgressEventJson } from "../json/progress.ts";
import { formatBytes } from "../lib/text.ts";
import { parseJson, readPart, sizeOf } from "./job-folder.ts";
import { parseLeftOut } from "./left-out.ts";

const CHUNK = 256 * 1024;
const NEWLINE = 10;

export type Said = Exclude<JobEvent, { readonly kind: "state" }>;

export interface Heard {
  readonly events: readonly Said[];
  /** Where to go on. */
  readonly offset: number;
  /** How it says it ended. */
  readonly exitCode: number | undefined;
  readonly endedAt: string | undefined;
}

/**
 * What a job's process has written to standard error since a place in it; what is not written to the end of the line is left for the next
 * time. Of the figures of one step only the last are told. `seq` of an event is where its line ends.
 * @param began the time of lines that name none
 * @param isOver nothing comes any more, and a last line that is cut short is all that there is of it
 */
export async function readEvents(
  path: string,
  offset: number,
  { began, isOver }: { readonly began: string; readonly isOver: boolean },
): Promise<Heard> {
  const from = Math.max(0, offset - 1);
  const bytes = await readPart(path, from, CHUNK);
  // Whoever asks may name a place in the middle of a line.
  let start = offset === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  if (offset > 0 && start === 0) start = bytes.length;
  const events: Said[] = [];
  let at = began;
  let ended: { readonly exitCode: number; readonly time: string } | undefined;
  while (start < bytes.length) {
    const next = bytes.indexOf(NEWLINE, start);
    // A line that fills all of it is told in pieces.
    const isCut = next < 0 && (bytes.length === CHUNK ? start === 0 : isOver);
    if (next < 0 && !isCut) break;
    const end = next < 0 ? bytes.length : next;
    const text = bytes.toString("utf8", start, end);
    start = next < 0 ? end : next + 1;
    const gap = parseLeftOut(text);
    if (gap !== undefined) {
      // A process that was killed just then has left no end.
      const until = isOver ? Math.min(gap.until, await sizeOf(path)) : gap.until;
      const words = `${formatBytes(gap.leftOut)} that came here are not kept`;
      events.push({ seq: until, at, kind: "line", level: "note", text: words, hint: null });
      start = until - from;
      break;
    }
    const line = parseLine(text);
    if (line !== undefined && line.event === "ended") {
      ended = line;
      continue;
    }
    at = line?.time ?? at;
    const event = asEvent(line, text, from + start, at);
    if (event !== undefined) events.push(event);
  }
  return {
    events: events.filter((event, index) => !isOvertaken(event, events, index)),
    offset: Math.max(offset, from + start),
    exitCode: ended?.exitCode,
    endedAt: ended?.time,
  };
}

/** How far it was when it last said so, and the last thing that was wrong. */
export function lastSaid(events: readonly Said[]): Pick<JobJson, "progress" | "error"> {
  const figures = events.findLast((event) => event.kind === "progress");
  const wrong = events.findLast((event) => event.kind === "line" && event.level === "error");
  const { seq: _seq, at: _at, kind: _kind, ...progress } = figures ?? {};
  return {
    progress: figures === undefined ? null : (progress as NonNullable<JobJson["progress"]>),
    error: wrong?.kind === "line" ? { code: "unexpected", message: wrong.text, hint: wrong.hint } : null,
  };
}

function parseLine(text: string): ProgressEventJson | undefined {
  return text.startsWith("{") ? ProgressEventJson.safeParse(parseJson(text)).data : undefined;
}

function asEvent(
  line: ProgressEventJson | undefined,
  text: string,
  seq: number,
  at: string,
): Said | undefined {
  if (line === undefined) {
    // Our own program says everything else as JSON: these words are of what runs it.
    return text.trim() === "" ? undefined : { seq, at, kind: "line", level: "warning", text, hint: null };
  }
  if (line.event === "ended") return undefined;
  if (line.event === "progress") {
    const { time: _time, event: _event, ...figures } = line;
    return { seq, at, kind: "progress", ...figures };
  }
  if (line.event === "plan") {
    const { time: _time, event: _event, ...plan } = line;
    return { seq, at, kind: "plan", ...plan };
  }
  if (line.event === "step") {
    const { time: _time, event: _event, ...step } = line;
    return { seq, at, kind: "step", ...step };
  }
  return { seq, at, kind: "line", level: line.event, text: line.message, hint: line.hint };
}

function isOvertaken(event: Said, events: readonly Said[], index: number): boolean {
  const next = events[index + 1];
  return event.kind === "progress" && next?.kind === "progress" && next.step === event.step;
}

/** What somebody reads of it in a log: what is wrong, and what came of it; notes and figures not. */
export function logLines(event: Said): string[] {
  if (event.kind !== "line" || event.level === "note") return [];
  const { level, text, hint } = event;
  const prefix = { warning: "warning: ", error: "handled: ", result: "" }[level];
  return [...`${prefix}${text}`.split("\n"), ...(hint === null ? [] : [`hint: ${hint}`])];
}
