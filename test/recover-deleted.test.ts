import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder } from "./support/postgres.ts";

const SQL = `
  create table customer (id int primary key, email text unique);
  insert into customer select g, 'c' || g || '@example.org' from generate_series(1, 50) g;
  create table item (id int primary key, customer int references customer, name text);
  insert into item select g, 1 + g % 50, 'item ' || g from generate_series(1, 500) g;
  create table log (id int);
  create function logged() returns trigger language plpgsql as $$ begin insert into public.log values (new.id); return new; end $$;
  create trigger loud after insert on item for each row execute function logged();
`;

/** A strategy of one database, backed up, whose application is healthy while a file is there. */
async function openSite() {
  const live = await freshDatabase({ sql: SQL });
  const there = await temporaryFolder();
  const state = join(there.path, "state");
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  data: { url: "${live.url}", backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(args, { cwd: there.path, env: { XDG_STATE_HOME: state }, ...options });
  const backup = async (): Promise<string> => {
    const made = await cli(["backup", "--json"]);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    const listed = jsonOf(await cli(["list", "data", "--json"])) as {
      databases: { backups: { id: string }[] }[];
    };
    return listed.databases[0]?.backups[0]?.id ?? "";
  };
  const number = async (sql: string): Promise<number> =>
    (await live.query<{ n: number }>(`select (${sql})::int as n`))[0]?.n ?? -1;
  return {
    live,
    cli,
    backup,
    first: await backup(),
    recover: async (args: readonly string[] = [], options: CliOptions = {}) =>
      await cli(["recover", "data-deleted", "data", "--yes", ...args], options),
    items: async () => await number("select count(*) from item"),
    inserted: async () => await number("select count(*) from log"),
    state: async () => (await readdir(state, { recursive: true })).map((path) => join(state, path)),
    [Symbol.asyncDispose]: async () => {
      await live[Symbol.asyncDispose]();
      await runSql(clusterUrl(), `drop database if exists "${live.name}_recovered"`);
      await there[Symbol.asyncDispose]();
    },
  };
}

const ITEM = ["--table", "public.item"];

test("rows that were deleted before the last backup come back from the one before, and nothing else changes", async () => {
  await using site = await openSite();
  await site.live.query("delete from item where id between 100 and 149");
  await site.backup();
  await site.live.query("update item set name = 'changed since' where id = 7");
  const dry = await site.recover([...ITEM, "--dry-run"]);
  expect(dry.code, dry.stderr).toBe(0);
  expect(dry.stderr).toContain("asks first");
  expect(await site.items()).toBe(450);
  const asked = await site.cli(["recover", "data-deleted", "data", ...ITEM]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toContain("50 rows of 500 missing: (100) (101)");
  expect(asked.stderr).toContain("insert 50 rows into public.item of");
  expect(await site.items()).toBe(450);

  const done = await site.recover([...ITEM, "--json"]);
  const report = RecoverJson.parse(jsonOf(done));
  expect(report.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "find done",
    "look done",
    "insert done",
  ]);
  expect(report.outputs).toMatchObject({ backup: site.first, missing: 50, inserted: 50 });
  expect(await site.items()).toBe(500);
  expect(await site.live.query("select name from item where id in (7, 100) order by id")).toEqual([
    { name: "changed since" },
    { name: "item 100" },
  ]);
  const undo = (await site.state()).find((path) => path.endsWith(".sql")) ?? "";
  expect(done.stderr).toContain(undo);

  // Once more, because its end was not heard.
  const again = await site.recover([...ITEM, "--json"]);
  expect(RecoverJson.parse(jsonOf(again)).outputs).toMatchObject({ missing: 0, inserted: 0 });
  expect(await site.inserted()).toBe(50);
});

test("ended before or after any operation it goes on when the same is typed again, and inserts nothing twice", async () => {
  await using site = await openSite();
  const strike = async (): Promise<void> =>
    void (await site.live.query("truncate log; delete from item where id between 100 and 149"));
  await strike();
  const moments: string[] = [];
  const observer = (phase: string, operation: string): void => void moments.push(`${phase} ${operation}`);
  expect(await site.recover(ITEM, { observer })).toMatchObject({ code: 0 });
  const inserting = moments.indexOf("before sql INSERT");
  const committing = moments.indexOf("before sql COMMIT", inserting);
  // What comes before is the same for every plan.
  const ours = moments.flatMap((moment, at) =>
    at === inserting ||
    at === committing ||
    at === committing + 1 ||
    (at > inserting && /^before .*(journal|step)/.test(moment))
      ? [at]
      : [],
  );
  expect(ours.length).toBeGreaterThan(4);
  for (const end of ours) {
    await strike();
    const ended = new AbortController();
    let count = 0;
    const killing = (): void => {
      if (count++ === end) ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    };
    await site.recover(ITEM, { observer: killing, signal: ended.signal });
    const again = await site.recover(ITEM);
    expect(again, again.stderr).toMatchObject({ code: 0 });
    expect(await site.items(), moments[end]).toBe(500);
    expect(await site.inserted(), moments[end]).toBe(50);
  }
  expect(await site.state()).not.toContainEqual(expect.stringMatching(/recoveries\/.*\.json$/));
});

test("what was inserted goes again on the way back; a table that is gone comes back beside, and a whole database in its place", async () => {
  await using site = await openSite();
  await site.live.query("delete from item where customer > 40; delete from customer where id > 40");
  // Its rows refer to the customers that are missing too.
  const orphans = await site.recover(ITEM);
  expect(orphans.code).toBe(4);
  expect(orphans.stderr).toContain(`--table "public"."customer"`);
  expect(await site.items()).toBe(400);
  const both = [...ITEM, "--table", "public.customer", "--backup", site.first];
  let step = "";
  const failing = (phase: string, operation: string): void => {
    if (operation.startsWith("step ")) step = `${phase} ${operation}`;
    if (step === "after step insert") throw new Error("killed");
  };
  await site.recover(["--restart", ...both], { observer: failing });
  expect(await site.items()).toBe(500);
  const back = await site.recover(["--back", ...both]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await site.live.query("select from customer where id > 40")).toEqual([]);
  expect(await site.items()).toBe(400);

  await site.live.query("drop table item");
  const gone = await site.recover([...ITEM, "--backup", site.first]);
  expect(gone.code).toBe(2);
  expect(gone.stderr).toContain("--whole");
  const beside = clusterUrl(`${site.live.name}_recovered`);
  for (const _ of ["once", "and once more"]) {
    const whole = await site.recover([...ITEM, "--whole", "--restart"]);
    expect(whole, whole.stderr).toMatchObject({ code: 0 });
    expect(await runSql(beside, "select count(*)::int as n from item")).toEqual([{ n: 500 }]);
  }

  const all = ["--whole", "--backup", site.first];
  await site.recover(["--restart", ...all], {
    observer: (phase, operation) => {
      if (operation.startsWith("step ")) step = `${phase} ${operation}`;
      if (step === "after step swap") throw new Error("killed");
    },
  });
  expect(await site.items()).toBe(500);
  const undone = await site.recover(["--back", ...all]);
  expect(undone, undone.stderr).toMatchObject({ code: 0 });
  await expect(site.items()).rejects.toThrow("item");
  const swapped = await site.recover(all);
  expect(swapped, swapped.stderr).toMatchObject({ code: 0 });
  expect(await site.items()).toBe(500);
});

test("what cannot be meant is told before anything is done", async () => {
  await using site = await openSite();
  const cases: [readonly string[], string][] = [
    [[], "--table schema.table"],
    [[...ITEM, "--to", "postgresql://x/y"], "`--to` is not for"],
    [[...ITEM, "--whole", "--where", "id = 1"], "`--where` is not for"],
    [["--whole"], "which backup is to replace it"],
    [ITEM, "no rows went away"],
    [["--table", "public.itm"], "did you mean public.item?"],
    [[...ITEM, "--at", "2020-01-01T00:00:00Z"], "no backup from 2020"],
  ];
  for (const [args, words] of cases) {
    const { code, stderr } = await site.recover(args);
    expect(code, args.join(" ")).not.toBe(0);
    expect(stderr).toContain(words);
  }
});

test("another database behind the URL is seen by its tables, and nothing is put into it or in its place", async () => {
  await using site = await openSite();
  await site.live.query("drop table item, customer; create table precious as select 1 as id");
  for (const [how, hint] of [
    [ITEM, "`--whole` brings them back"],
    [["--whole", "--backup", site.first], "BACKUP --swap` replaces it all the same"],
  ] as const) {
    const refused = await site.recover([...how]);
    expect(refused.code, refused.stderr).toBe(4);
    expect(refused.stderr).toContain("2 of the 3 tables");
    expect(refused.stderr).toContain("lead to the right database?");
    expect(refused.stderr).toContain(hint);
    expect(await site.live.query("select id from precious")).toEqual([{ id: 1 }]);
  }
  // All of it was dropped, and nothing else is in its place.
  await site.live.query("drop table precious, log; drop function logged");
  const whole = await site.recover(["--whole", "--backup", site.first]);
  expect(whole, whole.stderr).toMatchObject({ code: 0 });
  expect(await site.items()).toBe(500);
});
