import { AppError } from "../../errors.ts";

// All functions here take and give text with one character a byte (latin1): a crontab may be in any encoding, or in
// none, and foreign lines must come back byte for byte.

/** The crontab with this strategy's block in it, once: in the place of an older one, otherwise at the top. */
export function withBlock(crontab: string, strategy: string, lines: readonly string[]): string {
  const block = [beginMark(strategy), ...lines.map(latin1), endMark(strategy)]
    .map((line) => `${line}\n`)
    .join("");
  const [first] = findBlocks(crontab, strategy);
  // At the top, where settings that stand in the crontab (`SHELL=`, `CRON_TZ=`) do not apply to our lines yet, and
  // where a last line without its end stays as it is.
  const start = first?.start ?? 0;
  return crontab.slice(0, start) + block + withoutBlock(crontab.slice(start), strategy);
}

/** The crontab without this strategy's block. */
export function withoutBlock(crontab: string, strategy: string): string {
  let result = "";
  let position = 0;
  for (const { start, end } of findBlocks(crontab, strategy)) {
    result += crontab.slice(position, start);
    position = end;
  }
  return result + crontab.slice(position);
}

/** The lines inside this strategy's block, or undefined when there is none. */
export function linesOfBlock(crontab: string, strategy: string): string[] | undefined {
  const blocks = findBlocks(crontab, strategy);
  if (blocks.length === 0) return undefined;
  return blocks.flatMap(({ start, end }) =>
    splitLines(crontab.slice(start, end))
      .slice(1, -1)
      .map((line) => Buffer.from(withoutLineEnd(line), "latin1").toString("utf8")),
  );
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function findBlocks(crontab: string, strategy: string): Range[] {
  const [begin, end] = [beginMark(strategy), endMark(strategy)];
  const blocks: Range[] = [];
  let start: number | undefined;
  let position = 0;
  for (const line of splitLines(crontab)) {
    const text = withoutLineEnd(line);
    if (text === begin) {
      if (start !== undefined) throw broken(strategy);
      start = position;
    }
    position += line.length;
    if (text === end) {
      if (start === undefined) throw broken(strategy);
      blocks.push({ start, end: position });
      start = undefined;
    }
  }
  if (start !== undefined) throw broken(strategy);
  return blocks;
}

/** Lines with their ends, so that joined they are the text again. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Without its end, also one that an editor has made `\r\n`. */
function withoutLineEnd(line: string): string {
  return line.replace(/\r?\n$|\r$/, "");
}

function beginMark(strategy: string): string {
  return latin1(`# BEGIN handled ${strategy}`);
}

function endMark(strategy: string): string {
  return latin1(`# END handled ${strategy}`);
}

function latin1(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function broken(strategy: string): AppError {
  // Guessing which lines were ours would delete somebody's job.
  return new AppError("usage", `read the crontab: the marks around the block of ${strategy} do not match`, {
    hint: "with `crontab -e`, delete the lines `# BEGIN handled …`, `# END handled …` and what belongs between them",
  });
}
