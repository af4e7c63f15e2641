import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { RunFile } from "./run-file.ts";
import { byWeight } from "./runs.ts";

// Of another version everything is read anew.
const SCHEMA_VERSION = 2;
// Another process writes a month at a time, which takes seconds where it has a hundred thousand runs.
const BUSY_MS = 2000;
const TRIES = 3;

const SCHEMA = `
  create table objects (id integer primary key, key text not null unique, month text not null,
    done text not null, other text not null, done_digest text not null, other_digest text not null);
  create index objects_month on objects (month);
  create table records (object integer not null, n integer not null, record text not null, primary key (object, n)) without rowid;
  pragma user_version = ${SCHEMA_VERSION}`;

/** Which runs are wanted. */
export interface RunQuery {
  /** Only those that began then or later, as ISO 8601. */
  readonly from: string;
  /** Only those whose ids come before this one; undefined: all. */
  readonly before: string | undefined;
  readonly operation: RunFile["operation"] | undefined;
  /** Only those that did not end well. */
  readonly failed: boolean;
  readonly wanted: (run: RunFile) => boolean;
  /** No more than so many, the newest. */
  readonly limit: number;
}

/** What a month of a repository has. */
export interface MonthAnswer {
  readonly runs: readonly RunFile[];
  /** Which of the runs that were asked for have ended. */
  readonly ended: readonly string[];
}

/** A month as the repository lists it now. */
export interface ListedMonth {
  readonly month: string;
  readonly keys: readonly string[];
  /** Reads the records in some of these objects; undefined for one that cannot be read. */
  readonly load: (keys: readonly string[]) => Promise<ReadonlyMap<string, readonly RunFile[] | undefined>>;
}

/** Thrown where the file has not what was put into it; it is then made anew. */
export class IndexDamaged extends Error {}

/** What can be told of a run without its record. */
export interface RunFacts {
  readonly id: string;
  readonly startedAt: string;
  readonly operation: string;
  readonly outcome: string;
  /** Of a verification: the level that was reached. */
  readonly proven: string | null;
}

/** What is looked at of every run before its record is read. */
interface Facts extends RunFacts {
  readonly object: number;
  readonly n: string;
  readonly digest: string;
}

/**
 * The records of ended runs of one database in one repository, in a SQLite file. Only a copy: each answer is brought into line with what the
 * repository lists at that moment, in the transaction that it is read in. SQLite notices few bits that flip, so queries choose by the key of an object
 * alone, which the repository's listing says, and all that comes is compared with a digest: facts of all runs of an object, those that went well and
 * the others apart, then the few records that are wanted. Methods throw what SQLite throws, and `IndexDamaged`.
 */
export class RunIndex implements Disposable {
  readonly #db: DatabaseSync;

  /**
   * @param path of a file that exists; an empty one is a new index
   * @param anew empties it first. Other processes may have it open, so that the file itself stays
   */
  constructor(path: string, anew: boolean) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_MS });
    try {
      this.#inTransaction(() => {
        if (!anew && this.#number("select user_version as n from pragma_user_version") === SCHEMA_VERSION)
          return;
        const tables = this.#db.prepare("select name from sqlite_schema where type = 'table'").all();
        for (const { name } of tables) this.#db.exec(`drop table "${String(name).replaceAll('"', '""')}"`);
        this.#db.exec(SCHEMA);
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * Takes over what is new in a month and forgets what is gone, then answers.
   * @param begun ids of which it is asked whether they have ended
   */
  async month(listed: ListedMonth, query: RunQuery, begun: readonly string[]): Promise<MonthAnswer> {
    return await this.#inStep(listed, () => {
      // Where there are several objects, a run that did not end well may have another record, which counts.
      const onlyOthers = query.failed && begun.length === 0 && listed.keys.length === 1;
      const facts = this.#facts(listed.month, onlyOthers ? ["other"] : ["done", "other"]);
      const there = new Set(begun.length === 0 ? [] : facts.map(({ id }) => id));
      return { runs: this.#select(facts, query), ended: begun.filter((id) => there.has(id)) };
    });
  }

  /** The same of all runs of a month, newest first, without reading a record. */
  async facts(listed: ListedMonth): Promise<readonly RunFacts[]> {
    return await this.#inStep(listed, () => this.#facts(listed.month, ["done", "other"]));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** Brings a month into line with what the repository lists, and answers in the same transaction. */
  async #inStep<T>(listed: ListedMonth, answer: () => T): Promise<T> {
    const loaded = new Map<string, readonly RunFile[] | undefined>();
    for (let tries = 0; tries <= TRIES; tries++) {
      const missing: string[] = [];
      const answered = this.#inTransaction(() => {
        const known = this.#known(listed.month);
        missing.push(...listed.keys.filter((key) => !known.has(key) && !loaded.has(key)));
        if (missing.length > 0) return undefined;
        this.#update(listed, known, loaded);
        return { value: answer() };
      });
      if (answered !== undefined) return answered.value;
      // Somebody who listed the month at another moment may have taken away meanwhile what was known.
      for (const [key, runs] of await listed.load(missing)) loaded.set(key, runs);
    }
    throw new IndexDamaged("it changes all the time");
  }

  #inTransaction<T>(work: () => T): T {
    this.#db.exec("begin immediate");
    try {
      const result = work();
      this.#db.exec("commit");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("rollback");
      throw error;
    }
  }

  #known(month: string): Map<string, number> {
    const rows = this.#db.prepare("select key, id from objects where month = ?").all(month);
    return new Map(rows.map(({ key, id }) => [String(key), Number(id)]));
  }

  #update(
    { month, keys }: ListedMonth,
    known: ReadonlyMap<string, number>,
    loaded: ReadonlyMap<string, readonly RunFile[] | undefined>,
  ): void {
    const listed = new Set(keys);
    for (const [key, id] of known) {
      if (listed.has(key)) continue;
      this.#db.prepare("delete from records where object = ?").run(id);
      this.#db.prepare("delete from objects where id = ?").run(id);
    }
    const addObject = this.#db.prepare(
      "insert into objects (key, month, done, other, done_digest, other_digest) values (?, ?, ?, ?, ?, ?)",
    );
    const addRecord = this.#db.prepare("insert into records values (?, ?, ?)");
    for (const key of listed) {
      const runs = known.has(key) ? undefined : loaded.get(key);
      if (runs === undefined) continue;
      const records = runs.map((run) => JSON.stringify(run));
      const facts = (isWanted: (run: RunFile) => boolean): string =>
        runs.flatMap((run, n) => (isWanted(run) ? [factsOf(run, n, records[n] ?? "")] : [])).join("\n");
      const done = facts(({ outcome }) => outcome === "done");
      const other = facts(({ outcome }) => outcome !== "done");
      const digests = [digestOf(`${key} done ${done}`), digestOf(`${key} other ${other}`)];
      const object = addObject.run(key, month, done, other, ...digests).lastInsertRowid;
      for (const [n, record] of records.entries()) addRecord.run(object, n, record);
    }
  }

  /** Facts of a month's runs, newest first. Of two records of one run one counts, as in the repository. */
  #facts(month: string, kinds: readonly ("done" | "other")[]): Facts[] {
    const columns = kinds.map((kind) => `${kind}, ${kind}_digest`).join(", ");
    const rows = this.#db.prepare(`select id, key, ${columns} from objects where month = ?`).all(month);
    const found = new Map<string, Facts>();
    for (const row of rows.sort((a, b) => byWeight(String(a["key"]), String(b["key"])))) {
      for (const kind of kinds) {
        const text = String(row[kind]);
        if (digestOf(`${String(row["key"])} ${kind} ${text}`) !== row[`${kind}_digest`])
          throw new IndexDamaged(`what it says of ${String(row["key"])} changed`);
        for (const line of text === "" ? [] : text.split("\n")) {
          const [n = "", id = "", startedAt = "", operation = "", outcome = "", proven = "", digest = ""] =
            line.split(" ");
          found.set(id, {
            object: Number(row["id"]),
            n,
            id,
            startedAt,
            operation,
            outcome,
            proven: proven === "" ? null : proven,
            digest,
          });
        }
      }
    }
    return [...found.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  #select(facts: readonly Facts[], { from, before, operation, failed, wanted, limit }: RunQuery): RunFile[] {
    const record = this.#db.prepare("select record from records where object = ? and n = ?");
    const found: RunFile[] = [];
    for (const one of facts) {
      if (found.length >= limit) break;
      if (before !== undefined && one.id >= before) continue;
      if (one.startedAt < from || (operation !== undefined && one.operation !== operation)) continue;
      if (failed && one.outcome === "done") continue;
      const text = String(record.get(one.object, Number(one.n))?.["record"]);
      if (digestOf(text) !== one.digest) throw new IndexDamaged(`its record of ${one.id} changed`);
      const run = RunFile.parse(JSON.parse(text));
      if (wanted(run)) found.push(run);
    }
    return found;
  }

  #number(sql: string, ...parameters: readonly string[]): number {
    return Number(this.#db.prepare(sql).get(...parameters)?.["n"]);
  }
}

function factsOf({ id, startedAt, operation, outcome, proven }: RunFile, n: number, record: string): string {
  return [n, id, startedAt, operation, outcome, proven ?? "", digestOf(record)].join(" ");
}

/** Against bits that flip on a disk, not against people. */
function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64").slice(0, 16);
}
