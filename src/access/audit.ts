import { createHash, randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { z } from "zod";
import type { Clock } from "../lib/clock.ts";
import { inTransaction } from "./access-database.ts";

/** What the first entry of a chain has for the hash of the one before. */
const FIRST = "0".repeat(64);

// A few milliseconds.
const STRETCH = 500;

/** Something that somebody did. */
export const AuditEntry = z.strictObject({
  seq: z.int().min(1),
  at: z.iso.datetime(),
  who: z.string(),
  what: z.string(),
  subject: z.string(),
  source: z.string(),
  previous: z.string().regex(/^[0-9a-f]{64}$/),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

export interface Act {
  /** Name of the user, and of the token where it was one. */
  readonly who: string;
  /** `backup`, `user added`. */
  readonly what: string;
  /** What it was done to, and how. */
  readonly subject: string;
  /** From where: an address, or a terminal. */
  readonly source: string;
}

/** Parts of who did it, and of what was done. */
interface Like {
  readonly who?: string | undefined;
  readonly what?: string | undefined;
}

/**
 * SHA-256 of an entry: over the JSON text of the array of all else in it, in this order, the hash of the one before included.
 * Whoever changes, removes or reorders one has to write all that follow anew, and those lie in the repositories.
 */
export function auditHash({
  seq,
  at,
  who,
  what,
  subject,
  source,
  previous,
}: Omit<AuditEntry, "hash">): string {
  return createHash("sha256")
    .update(JSON.stringify([seq, at, who, what, subject, source, previous]))
    .digest("hex");
}

/** Who did what, when, and from where. It is only added to. */
export class Audit {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Durable when it returns; whatever throws here must keep the act from being done. */
  append({ who, what, subject, source }: Act): AuditEntry {
    return inTransaction(this.#database, () => {
      const last = this.list(Number.MAX_SAFE_INTEGER, 1)[0];
      const entry = {
        seq: (last?.seq ?? 0) + 1,
        at: this.#clock.now().toISOString(),
        who,
        what,
        subject,
        source,
        previous: last?.hash ?? FIRST,
      };
      const whole = { ...entry, hash: auditHash(entry) };
      this.#insert(whole);
      return whole;
    });
  }

  /**
   * Newest first.
   * @param before only entries with a lower number
   * @param like only those in which these occur, in whatever case
   */
  list(before: number, last: number, { who = "", what = "" }: Like = {}): readonly AuditEntry[] {
    return this.#database
      .prepare(
        "select * from audit where seq < ? and (? = '' or instr(lower(who), lower(?))) and (? = '' or instr(lower(what), lower(?))) order by seq desc limit ?",
      )
      .all(before, who, who, what, what, last)
      .map((row) => AuditEntry.parse({ ...row }));
  }

  /** All, oldest first, one after the other. @param seq only those after it */
  *all(seq = 0): Generator<AuditEntry> {
    const rows = this.#database.prepare("select * from audit where seq > ? order by seq").iterate(seq);
    for (const row of rows) yield AuditEntry.parse({ ...row });
  }

  /** Up to which entry the log was brought to a place; 0: none. */
  keptIn(place: string): number {
    const row = this.#database.prepare("select value from facts where name = ?").get(`kept in ${place}`);
    return row === undefined ? 0 : Number(row["value"]);
  }

  noteKept(place: string, seq: number): void {
    this.#database
      .prepare(
        "insert into facts (name, value) values (?, ?) on conflict (name) do update set value = excluded.value",
      )
      .run(`kept in ${place}`, String(seq));
  }

  /**
   * Goes on with the log of a machine that is gone, in the place of its own, which must have no entry.
   * @param place that it was read from
   */
  goOn(chain: string, entries: readonly AuditEntry[], place: string): void {
    inTransaction(this.#database, () => {
      for (const entry of entries) this.#insert(entry);
      this.#database
        .prepare(
          "insert into facts (name, value) values ('chain', ?) on conflict (name) do update set value = excluded.value",
        )
        .run(chain);
      this.noteKept(place, entries.length);
    });
  }

  #insert({ seq, at, who, what, subject, source, previous, hash }: AuditEntry): void {
    this.#database
      .prepare(
        "insert into audit (seq, at, who, what, subject, source, previous, hash) values (?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(seq, at, who, what, subject, source, previous, hash);
  }

  /** What tells this log from that of another machine: it names its folder in repositories. */
  chain(): string {
    return inTransaction(this.#database, () => {
      const known = this.#database.prepare("select value from facts where name = 'chain'").get();
      if (known !== undefined) return String(known["value"]);
      const chain = randomUUID();
      this.#database.prepare("insert into facts (name, value) values ('chain', ?)").run(chain);
      return chain;
    });
  }
}

/**
 * What is wrong with a chain of entries, oldest first; undefined where nothing is.
 * @param entries all of them, or those that follow one that is known
 */
export function brokenAt(
  entries: Iterable<AuditEntry>,
  { seq: first, hash }: Pick<AuditEntry, "seq" | "hash"> = { seq: 0, hash: FIRST },
): string | undefined {
  let previous = hash;
  let seq = first;
  for (const entry of entries) {
    seq += 1;
    if (entry.seq !== seq) return `entry ${seq} is missing`;
    if (entry.previous !== previous) return `entry ${seq} does not follow the one before it`;
    if (auditHash(entry) !== entry.hash) return `entry ${seq} was changed`;
    previous = entry.hash;
  }
  return undefined;
}

/** How the whole log stands: as `brokenAt`, a stretch at a time, so that others are answered meanwhile. */
export async function checkedLog(
  audit: Audit,
): Promise<{ readonly entries: number; readonly broken: string | null }> {
  let last: Pick<AuditEntry, "seq" | "hash"> | undefined;
  for (;;) {
    const stretch = audit.all(last?.seq).take(STRETCH).toArray();
    const broken = brokenAt(stretch, last);
    const end = stretch.at(-1);
    if (broken !== undefined || end === undefined) return { entries: last?.seq ?? 0, broken: broken ?? null };
    last = end;
    await setImmediate();
  }
}

/** An entry as it is shown: its hash holds the one before already. */
export function shownEntry({
  seq,
  at,
  who,
  what,
  subject,
  source,
  hash,
}: AuditEntry): Omit<AuditEntry, "previous"> {
  return { seq, at, who, what, subject, source, hash };
}
