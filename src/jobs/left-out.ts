import { fstatSync } from "node:fs";
import { z } from "zod";
import { type Bounds, BoundedFile } from "../lib/bounded-file.ts";
import { parseJson } from "./job-folder.ts";

const MIB = 1024 * 1024;
// Some ten thousand lines at either end.
const BOUNDS: Bounds = { head: 2 * MIB, tail: 2 * MIB };

const LeftOut = z.strictObject({ leftOut: z.int().min(0), until: z.int().min(0) });
/** How many bytes of a job's lines are not kept, and where in the file those that come after them begin. */
type LeftOut = z.infer<typeof LeftOut>;

export const leftOutLine = (until: number, leftOut: number): string =>
  JSON.stringify({ leftOut, until } satisfies LeftOut);

/** Undefined for every other line. */
export function parseLeftOut(text: string): LeftOut | undefined {
  return text.startsWith('{"leftOut"') ? LeftOut.safeParse(parseJson(text)).data : undefined;
}

/** What the process of a job writes its lines to, in place of standard error; undefined where that is no file. */
export function boundedLines(fd: number): BoundedFile | undefined {
  return fstatSync(fd).isFile() ? new BoundedFile(fd, BOUNDS, leftOutLine) : undefined;
}
