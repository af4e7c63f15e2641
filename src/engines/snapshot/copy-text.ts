const NEWLINE = 0x0a;

/**
 * The rows of COPY text (PostgreSQL manual, "COPY", "Text Format") that comes in pieces cut anywhere. Each character of a
 * field stands for one byte, whatever the text's encoding; null is NULL.
 */
export async function* copyRows(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly (string | null)[]> {
  let begun: Buffer[] = [];
  for await (const piece of pieces) {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, from)) {
      begun.push(piece.subarray(from, end));
      yield fieldsOf(Buffer.concat(begun).toString("latin1"));
      begun = [];
      from = end + 1;
    }
    if (from < piece.length) begun.push(Buffer.from(piece.subarray(from)));
  }
}

function fieldsOf(line: string): (string | null)[] {
  return line.split("\t").map((field) => (field === "\\N" ? null : unescapeField(field)));
}

// Those that PostgreSQL writes.
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

function unescapeField(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replaceAll(/\\(.)/gs, (_, escaped: string) => ESCAPES[escaped] ?? escaped);
}
