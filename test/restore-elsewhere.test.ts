import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { runCli } from "./support/cli.ts";
import { dumpText } from "./support/dump-text.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";

const run = promisify(execFile);

test.for(["archive", "snapshot"])(
  "a restore of %s does without tablespaces that the server does not have, and says so",
  async (kind) => {
    const tablespace = uniqueName("space");
    const target = uniqueName("elsewhere");
    await using repository = await temporaryFolder();
    await using source = await freshDatabase();
    await using plain = await freshDatabase();
    const script = [
      "set allow_in_place_tablespaces = on",
      `create tablespace ${tablespace} location ''`,
      `create table t (id int) tablespace ${tablespace}`,
      "insert into t select generate_series(1, 10)",
      `create index on t (id) tablespace ${tablespace}`,
      "create table beside (id int)",
      `create table parts (id int) partition by range (id) tablespace ${tablespace}`,
      `create table parts_1 partition of parts default`,
      `create materialized view v tablespace ${tablespace} as select count(*) from t`,
    ];
    await run("psql", [
      "-Xq",
      "-v",
      "ON_ERROR_STOP=1",
      "-d",
      source.url,
      ...script.flatMap((sql) => ["-c", sql]),
    ]);
    try {
      const place = ["--url", source.url, "--repository", repository.path];
      const backup = await runCli(["backup", "odd", "--kind", kind, ...place]);
      expect(backup.code, backup.stderr).toBe(0);
      await run("bash", [
        "-c",
        'pg_dump --no-tablespaces -d "$0" | psql -Xq -v ON_ERROR_STOP=1 -d "$1"',
        source.url,
        plain.url,
      ]);
      await runSql(source.url, "drop materialized view v; drop table t, beside, parts");
      await runSql(clusterUrl(), `drop tablespace ${tablespace}`);
      const restore = await runCli(["restore", "odd", ...place, "--new-database", target]);
      expect(restore.code, restore.stderr).toBe(0);
      expect(restore.stderr).toContain(`left out: tablespace ${tablespace}, which the server does not have`);
      expect(await dumpText(clusterUrl(target))).toEqual(await dumpText(plain.url));
    } finally {
      await runSql(clusterUrl(), `drop database if exists ${target} with (force)`);
      await runSql(clusterUrl(), `drop database if exists "${source.name}" with (force)`);
      await runSql(clusterUrl(), `drop tablespace if exists ${tablespace}`);
    }
  },
);
