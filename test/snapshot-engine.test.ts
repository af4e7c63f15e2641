import { expect, test } from "vitest";
import { startCopyThreads } from "../src/engines/snapshot/copy-pool.ts";
import { copyTables } from "../src/engines/snapshot/copy-tables.ts";
import { loadSnapshot } from "../src/engines/snapshot/load-snapshot.ts";
import { dumpSchema } from "../src/engines/snapshot/schema.ts";
import { listFilledViews, listSourceTables } from "../src/engines/snapshot/tables.ts";
import { readContent } from "../src/operations/backup-content.ts";
import { chooseClient, findClients } from "../src/postgres/clients.ts";
import { connect } from "../src/postgres/session.ts";
import { holdSnapshot } from "../src/postgres/snapshot.ts";
import { knownParts } from "../src/repository/known-parts.ts";
import { openOrCreateRepository } from "../src/repository/repository.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { contentsOf } from "./support/database-contents.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const signal = noAbort();
const runtime = testRuntime();

test("what is copied in several threads comes back as it was, and equal rows are stored once", async () => {
  await using source = await freshDatabase({ sql: ODD_DATABASE_SQL });
  await source.query(
    "create table public.big as select g, md5(g::text) as pad from generate_series(1, 300000) g",
  );
  await source.query(
    "create table public.wide as select repeat(md5('a'), 1500000) as long from generate_series(1, 2)",
  );
  await source.query("select lo_unlink(oid) from pg_largeobject_metadata");
  await source.query("create table public.again as select * from public.big");
  await using folder = await temporaryFolder();
  const repository = await openOrCreateRepository(runtime, openFilesystem(runtime, folder.path), signal);
  await using session = await connect(runtime, source.settings, signal);
  await using observer = await connect(runtime, source.settings, signal);
  const client = chooseClient(await findClients(runtime, signal), session.serverVersion);
  const held = await holdSnapshot(session, observer, null, 5000);
  const { settings } = session;
  const common = { client, settings, snapshot: held.name };
  const schema = await dumpSchema(
    runtime,
    {
      ...common,
      schemas: null,
      extensions: [],
      encoding: undefined,
      lockTimeoutMs: 5000,
      applicationName: "test",
    },
    signal,
  );
  const known = await knownParts(repository, "shop", signal);
  await using threads = startCopyThreads(2);
  const copied = await copyTables(
    runtime,
    {
      repository,
      database: "shop",
      settings,
      snapshot: held.name,
      tables: await listSourceTables(session, null),
      views: await listFilledViews(session, null),
      known,
      threads,
      baseline: null,
      signatures: new Map(),
      clock: { generation: 1, now: held.takenAt },
      secret: 1,
    },
    signal,
  );
  const content = await readContent(runtime, session, client, null, signal);
  // `again` has the text of `big`.
  expect(copied.newParts).toBeLessThan(copied.partsRead);
  expect(copied.tables.find(({ name }) => name === "big")).toMatchObject({ rows: 300_000 });

  await using target = await freshDatabase();
  const { leftOut } = await loadSnapshot(
    runtime,
    {
      repository,
      database: "shop",
      tables: copied.tables,
      content: { ...content, roles: [...schema.roles], schemaArchive: schema.archive.toString("base64") },
      client,
      settings: target.settings,
      lanes: 2,
      statistics: true,
    },
    signal,
  );
  expect(leftOut).toEqual([]);
  await session.query("rollback");
  expect(await contentsOf(target.url)).toEqual(await contentsOf(source.url));
});
