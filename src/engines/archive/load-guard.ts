import { AppError } from "../../errors.ts";
import { majorOf, type PostgresClient } from "../../postgres/clients.ts";
import { DumpInspector, type DumpFacts } from "./inspect-dump.ts";
import { OMITTABLE, type Omissions } from "./leave-out.ts";
import type { Place } from "./scan-sql.ts";
import { requireHarmless } from "./whole-dump.ts";

// A statement that could be left out is held back until its end has come; longer ones are none of those.
const LONGEST_HELD = 64 * 1024;

/**
 * Stands between a dump's text and psql. Nothing passes before it was looked at: a command to psql ends the load before
 * psql sees it. Statements to be left out are replaced by their line breaks, so that psql's line numbers stay those of the
 * dump.
 */
export class LoadGuard {
  readonly #inspector: DumpInspector;
  readonly #omissions: Omissions;
  readonly #client: PostgresClient;
  /** Statements of the present chunk to leave out. */
  #places: Place[] = [];
  /** Text that was read and not passed on, and its position. */
  #held: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(omissions: Omissions, client: PostgresClient) {
    this.#omissions = omissions;
    this.#client = client;
    this.#inspector = new DumpInspector((statement) => {
      // What was held back no longer cannot be left out any more.
      if (statement.place.start < this.#position || !omissions.leavesOut(statement)) return;
      this.#places.push(statement.place);
    });
  }

  /** How far the text has come. */
  get progress(): { readonly bytes: number; readonly tables: number; readonly table: string | undefined } {
    const { bytes, tables, table } = this.#inspector;
    return { bytes, tables, table };
  }

  /** Looks at a chunk and returns what may go to psql now. Fails with `not_an_archive` and `client_missing`. */
  pass(chunk: Buffer): Buffer[] {
    this.#inspector.write(chunk);
    requireHarmless(this.#inspector.refusals);
    if (this.#inspector.restricted) requireRestrict(this.#client);
    const text = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const base = this.#position;
    const passed: Buffer[] = [];
    let from = 0;
    for (const { start, end } of this.#places) {
      passed.push(text.subarray(from, start - base), lineBreaks(text.subarray(start - base, end - base)));
      from = end - base;
    }
    this.#places = [];
    const hold = Math.max(from, this.#holdFrom(text, base));
    passed.push(text.subarray(from, hold));
    this.#held = text.subarray(hold);
    this.#position = base + hold;
    return passed.filter((piece) => piece.length > 0);
  }

  /** The text has ended: what was held back, and what the whole of it was. */
  end(): { readonly rest: Buffer; readonly facts: DumpFacts } {
    return { rest: this.#held, facts: this.#inspector.end() };
  }

  #holdFrom(text: Buffer, base: number): number {
    const { unfinished } = this.#inspector;
    if (this.#omissions.isEmpty || unfinished === undefined) return text.length;
    const { start, firstWord } = unfinished;
    if (start < base || (firstWord !== undefined && !OMITTABLE.has(firstWord))) return text.length;
    return text.length - (start - base) > LONGEST_HELD ? text.length : start - base;
  }
}

function lineBreaks(text: Buffer): Buffer {
  let count = 0;
  for (let at = text.indexOf(0x0a); at !== -1; at = text.indexOf(0x0a, at + 1)) count += 1;
  return Buffer.alloc(count, 0x0a);
}

// The minor versions of August 2025 brought `\restrict`; psql before them stops at it.
const RESTRICT_SINCE: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 };

function requireRestrict(client: PostgresClient): void {
  const major = majorOf(client.version);
  const minor = RESTRICT_SINCE[major] ?? 0;
  if (major >= 13 && client.version % 10_000 >= minor) return;
  throw new AppError(
    "client_missing",
    `load the archive: ${client.label} does not know \\restrict, which the dump uses`,
    {
      hint: `update the client programs to ${major}.${minor} or newer`,
    },
  );
}
