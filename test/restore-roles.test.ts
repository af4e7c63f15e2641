import { describe, expect, test } from "vitest";
import { backedUp, databasesLike, expectedDatabase, freshRole, halfMade } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { findSqlNow } from "./support/stock-tools.ts";
import { expectDone } from "./support/expect-done.ts";

describe("roles that the server does not have", () => {
  const sqlFor = (owner: string, reader: string): string => `
    create table thing (id int); insert into thing values (1);
    alter table thing owner to ${owner}; grant select on thing to ${reader};`;

  test("are created without login", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    await using shop = await backedUp({ sql: sqlFor(owner, reader) });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", "--new-database", restored.name]);
    expectDone(result);
    expect(result.stderr).toContain("created roles without login");
    expect(
      await restored.query(
        `select tableowner = '${owner}' as owned, has_table_privilege('${reader}', 'thing', 'select') as granted,
                (select bool_or(rolcanlogin) from pg_roles where rolname in ('${owner}', '${reader}')) as login
           from pg_tables where tablename = 'thing'`,
      ),
    ).toEqual([{ owned: true, granted: true, login: false }]);
    await restored[Symbol.asyncDispose]();
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
  });

  test("are dropped again when the restore fails, but not those that were there or that something uses", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    const sql = `${sqlFor(owner, reader)}
      create function ok(id int) returns boolean language sql as
        $$ select current_database() not like 'handled\\_restoring%' or 1 / (id - id) = 1 $$;
      alter table thing add check (ok(id))`;
    await using shop = await backedUp({ sql });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    const roles = async (): Promise<string[]> => {
      const found = await runSql<{ rolname: string }>(
        clusterUrl(),
        `select rolname from pg_roles where rolname in ('${owner}', '${reader}') order by 1`,
      );
      return found.map(({ rolname }) => rolname);
    };
    const fail = async (options: CliOptions = {}): Promise<CliResult> => {
      const result = await shop.restore(["latest", "--new-database", uniqueName()], options);
      expect(result.code, result.stderr).toBe(1);
      expect(result.stderr).toContain("division by zero");
      return result;
    };
    // One of them was there before.
    await runSql(clusterUrl(), `drop role ${reader}`);
    await fail();
    expect(await roles()).toEqual([owner]);
    await runSql(clusterUrl(), `drop role ${owner}`);
    await fail();
    expect(await roles()).toEqual([]);
    // Somebody uses one as soon as it is there.
    const sqlNow = await findSqlNow();
    const used = uniqueName("used");
    let done = false;
    const result = await fail({
      observer: (phase, operation) => {
        if (done || `${phase} ${operation}` !== "before child psql") return;
        done = true;
        sqlNow(clusterUrl(), `create table ${used} (); grant select on ${used} to ${reader}`);
      },
    });
    expect(result.stderr).toContain(`the role ${reader} stays: something depends on it by now`);
    expect(await roles()).toEqual([reader]);
    await runSql(clusterUrl(), `drop table ${used}; drop role ${reader}`);
  });

  test("are listed where we may not create them, before anything is made", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    await using shop = await backedUp({ sql: sqlFor(owner, reader) });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
    const name = uniqueName();
    const url = clusterUrl(shop.live.name).replace("postgres@", `${admin.name}@`);
    const result = await runCli([
      "restore",
      shop.live.name,
      "--url",
      url,
      "--repository",
      shop.repository,
      "--new-database",
      name,
    ]);
    expect(result.code, result.stderr).toBe(22);
    expect(result.stderr).toContain(owner);
    expect(result.stderr).toContain(`create role "${reader}" nologin`);
    expect(await databasesLike(name)).toEqual([]);
    expect(await halfMade()).toEqual([]);
  });
});

describe("a role that is no superuser, as on a managed server", () => {
  test("restores its database; what only a superuser could give back is left out and told", async () => {
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await using app = await freshRole(uniqueName("app"));
    await using other = await freshRole(uniqueName("other"));
    await runSql(clusterUrl(), `grant ${app.name} to ${admin.name}`);
    await using live = await freshDatabase();
    await runSql(clusterUrl(), `alter database ${live.name} owner to ${admin.name}`);
    await live.query(`
      create extension pg_trgm; comment on extension pg_trgm is 'of the provider';
      set role ${admin.name};
      create table mine (id serial primary key, word text); create index on mine using gin (word gin_trgm_ops);
      insert into mine (word) values ('one'), ('two');
      create schema theirs authorization ${app.name};
      create table theirs.apps (id int primary key); insert into theirs.apps values (1);
      grant select on theirs.apps to ${other.name}; alter table theirs.apps owner to ${app.name};
      reset role;
      alter database ${live.name} set work_mem = '6MB';
      alter database ${live.name} set log_min_messages = 'error';
      alter role ${other.name} in database ${live.name} set work_mem = '8MB';
      grant connect on database ${live.name} to ${other.name};`);
    await using folder = await temporaryFolder();
    const url = live.url.replace("postgres@", `${admin.name}@`);
    const place = ["--url", url, "--repository", folder.path];
    expectDone(await runCli(["backup", live.name, ...place]));
    await using restored = expectedDatabase(uniqueName());
    const result = await runCli(["restore", live.name, "latest", "--new-database", restored.name, ...place]);
    expectDone(result);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(live.url));
    const owners =
      "select tablename, tableowner from pg_tables where schemaname in ('public', 'theirs') order by 1";
    expect(await restored.query(owners)).toEqual(await live.query(owners));
    expect(
      await restored.query(
        "select pg_get_userbyid(datdba) as owner from pg_database where datname = current_database()",
      ),
    ).toEqual([{ owner: admin.name }]);
    expect(await restored.query("show work_mem")).toEqual([{ work_mem: "6MB" }]);
    expect(result.stderr).toContain("left out: setting log_min_messages");
    expect(result.stderr).toContain(`left out: setting work_mem of ${other.name}`);
  });

  test("keeps what it cannot give away, and says so", async () => {
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await using stranger = await freshRole(uniqueName("stranger"));
    await using shop = await backedUp({
      sql: `create table thing (id int); insert into thing values (1); alter table thing owner to ${stranger.name};`,
    });
    await runSql(clusterUrl(), `alter database ${shop.live.name} owner to ${stranger.name}`);
    await shop.backup();
    const url = shop.live.url.replace("postgres@", `${admin.name}@`);
    await using restored = expectedDatabase(uniqueName());
    const args = ["restore", shop.live.name, "--url", url, "--repository", shop.repository];
    const result = await runCli([...args, "--new-database", restored.name]);
    expectDone(result);
    expect(result.stderr).toContain(`left out: ownership of role ${stranger.name}`);
    expect(result.stderr).toContain(`left out: owner ${stranger.name}`);
    expect(await restored.query("select tableowner from pg_tables where tablename = 'thing'")).toEqual([
      { tableowner: admin.name },
    ]);
  });
});
