import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { clientConfig } from "../support/postgres.ts";
import type { Random } from "./random.ts";
import { CHANGES, createTable, endPrepared, type Model, OF_TYPES } from "./workload-changes.ts";
import { column, IDS, type ModelTable, TREES, TREES_SQL, TYPES_SQL } from "./workload-tables.ts";

/** What changes a database while snapshots of it are taken. */
export class Workload {
  readonly #url: string;
  readonly #random: Random;
  readonly #model: Model = { tables: [], prepared: [], number: 0 };
  #transactions = 0;
  #allowed = 0;
  #change: Promise<void> = Promise.resolve();
  /** How often each kind of change was made. */
  readonly done: Record<string, number> = {};

  constructor(url: string, random: Random) {
    this.#url = url;
    this.#random = random;
  }

  /** Writing transactions that ended one way or the other. */
  get transactions(): number {
    return this.#transactions;
  }

  /** Waits until nothing is being altered, for a table that is always locked by snapshots is never altered. */
  async settle(): Promise<void> {
    await this.#change;
  }

  /** Lets so many more begin: between two snapshots not everything should change, however fast these are. */
  allow(transactions: number): void {
    this.#allowed = Math.min(this.#allowed + transactions, 3 * transactions);
  }

  async prepare(): Promise<void> {
    await using connection = await this.#connect();
    const { client } = connection;
    await client.query(TYPES_SQL);
    await client.query(TREES_SQL);
    this.#model.tables.push(...TREES);
    const kinds = [
      "narrow",
      "sparse",
      "hot",
      "toast",
      "wide",
      "typed",
      "composite",
      "castable",
      "generated",
      "unlogged",
    ];
    for (const kind of [...kinds, "unsafe"]) await createTable(client, this.#random, this.#model, kind);
  }

  /** Small transactions, until told to stop. */
  async write(signal: AbortSignal): Promise<void> {
    const random = this.#random.fork();
    await using connection = await this.#connect();
    const { client } = connection;
    while (!signal.aborted) {
      // In one place for a while: what nobody touches is what can be reused.
      const table = random.pick(this.#model.tables);
      const place = random.below(IDS);
      for (let left = 1 + random.below(40); left > 0 && !signal.aborted; left--) {
        while (this.#allowed <= 0 && !signal.aborted) await wait(5);
        this.#allowed -= 1;
        await this.#transact(client, random, table, place);
      }
    }
  }

  /**
   * Vacuums, rewrites and alters, until told to stop; in the end no transaction stays prepared.
   * @param only these kinds of change, one soon after the other
   */
  async alter(signal: AbortSignal, only?: readonly string[]): Promise<void> {
    const changes = CHANGES.filter(([name]) => only === undefined || only.includes(name));
    const types = changes.filter(([name]) => OF_TYPES.includes(name));
    const others = changes.filter(([name]) => !OF_TYPES.includes(name));
    const random = this.#random.fork();
    await using connection = await this.#connect();
    const { client } = connection;
    while (!signal.aborted) {
      // Types seldom, for the program refuses to take a snapshot while one of them is altered.
      const [name, change] = random.pick(types.length > 0 && random.chance(0.05) ? types : others);
      const done = Promise.withResolvers<void>();
      this.#change = done.promise;
      try {
        await client.query("set lock_timeout = '5s'; set timezone = 'UTC'");
        // They keep their locks: most are open for some seconds, over several snapshots.
        if (random.chance(0.3)) await endPrepared(client, random, this.#model);
        await change({ client, random, table: random.pick(this.#model.tables), model: this.#model });
        this.#count(name);
      } catch (error) {
        await recover(client, error);
      } finally {
        done.resolve();
      }
      await wait(random.below(only === undefined ? 900 : 50));
    }
    await client.query("set lock_timeout = 0");
    while (this.#model.prepared.length > 0) await endPrepared(client, random, this.#model);
  }

  async #transact(client: pg.Client, random: Random, table: ModelTable, place: number): Promise<void> {
    this.#transactions += 1;
    try {
      await client.query("begin");
      for (let statements = 1 + random.below(3); statements > 0; statements--) {
        const isolated = random.chance(0.2);
        if (isolated) await client.query("savepoint s");
        const [name, statement] = random.pick(this.#writes);
        await client.query(statement(table, random, place));
        this.#count(name);
        if (isolated) await client.query(random.chance(0.5) ? "rollback to s" : "release s");
      }
      await this.#end(client, random);
    } catch (error) {
      await recover(client, error);
    }
  }

  async #end(client: pg.Client, random: Random): Promise<void> {
    if (this.#model.prepared.length < 2 && random.chance(0.01)) {
      const name = `p${this.#model.number++}`;
      await client.query(`prepare transaction '${name}'`);
      this.#model.prepared.push(name);
      this.#count("prepare");
    } else {
      await client.query(random.chance(0.15) ? "rollback" : "commit");
    }
  }

  readonly #writes: readonly (readonly [
    string,
    (table: ModelTable, random: Random, place: number) => string,
  ])[] = [
    ["insert", (table, random, place) => insertSql(table, random, place)],
    [
      "upsert",
      (table, random, place) =>
        table.keyless
          ? insertSql(table, random, place)
          : `insert into ${table.name} (id) ${someIds(random, place)} on conflict (id) do update set ${column(table, random)} = default`,
    ],
    [
      "update",
      (table, random, place) =>
        `update ${table.name} set ${column(table, random)} = default where ${window(random, place)}`,
    ],
    [
      "update",
      (table, random, place) =>
        `update ${table.name} set ${column(table, random)} = default where ${window(random, place)}`,
    ],
    [
      "update of the key",
      (table, random, place) =>
        `update ${table.name} set id = ${near(random, place)} where id = ${near(random, place)}`,
    ],
    ["delete", (table, random, place) => `delete from ${table.name} where ${window(random, place)}`],
    [
      "row lock",
      (table, random, place) =>
        `select from ${table.name} where ${window(random, place)} for ${random.pick(["update", "no key update", "share", "key share"])}`,
    ],
    [
      "subtransactions",
      (table, random, place) =>
        `do $$ begin for i in 1..3 loop begin update ${table.name} set ${column(table, random)} = default
         where id = ${near(random, place)} + i; if i = 2 then raise 'no'; end if; exception when others then null; end; end loop; end $$`,
    ],
  ];

  #count(name: string): void {
    this.done[name] = (this.done[name] ?? 0) + 1;
  }

  async #connect(): Promise<{ client: pg.Client } & AsyncDisposable> {
    const client = new pg.Client(clientConfig(this.#url));
    await client.connect();
    await client.query("set lock_timeout = '10s'");
    return { client, [Symbol.asyncDispose]: async () => await client.end() };
  }
}

/** What is there already stays as it is, and no table grows for ever. */
function insertSql({ name, keyless }: ModelTable, random: Random, place: number): string {
  const ids = someIds(random, place);
  return keyless
    ? `insert into ${name} (id) select g from (${ids}) as n(g) where not exists (select from ${name} t where t.id = g)`
    : `insert into ${name} (id) ${ids} on conflict do nothing`;
}

/** Mostly in one place, sometimes anywhere. */
const near = (random: Random, place: number): number =>
  random.chance(0.1) ? random.below(IDS) : (place + random.below(60)) % IDS;

function window(random: Random, place: number): string {
  const from = near(random, place);
  return `id between ${from} and ${from + random.below(random.chance(0.05) ? 200 : 4)}`;
}

function someIds(random: Random, place: number): string {
  const from = near(random, place);
  return `select generate_series(${from}, ${from + random.below(random.chance(0.05) ? 100 : 4)})`;
}

/** What was refused (a lock, a key, a name that is gone) is part of the model; what breaks the server is not. */
async function recover(client: pg.Client, error: unknown): Promise<void> {
  if (!(error instanceof pg.DatabaseError) || error.code?.startsWith("XX") === true) throw error;
  await client.query("rollback");
}
