import { expect, test } from "vitest";
import { freshDatabase } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { createExtensions, listExtensions } from "./extensions.ts";
import { connect } from "./session.ts";

test("extensions come with their schemas, those that others need first, and can be made again elsewhere", async () => {
  await using from = await freshDatabase({
    sql: `create schema "Geo, x"; create extension earthdistance schema "Geo, x" cascade;
          create extension citext; create extension pg_trgm schema public`,
  });
  await using to = await freshDatabase();
  await using source = await connect(testRuntime(), from.settings, noAbort());
  await using target = await connect(testRuntime(), to.settings, noAbort());
  const extensions = await listExtensions(source);
  expect(extensions.map(({ name, schema }) => `${name} in ${schema}`)).toEqual([
    "cube in Geo, x",
    "earthdistance in Geo, x",
    "citext in public",
    "pg_trgm in public",
  ]);
  expect(await createExtensions(target, extensions)).toEqual([]);
  expect(await listExtensions(target)).toEqual(extensions);
  expect(await createExtensions(target, extensions)).toEqual([]);
});

test("an older version is made when the server still offers it, else the default one, and that is told", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, noAbort());
  const notes = await createExtensions(session, [
    { name: "pg_trgm", schema: "public", version: "1.5" },
    { name: "citext", schema: "public", version: "0.1" },
  ]);
  expect(notes).toEqual(["extension citext: version 0.1 is not offered here, installed the default one"]);
  const [trgm, citext] = await listExtensions(session);
  expect(trgm).toEqual({ name: "pg_trgm", schema: "public", version: "1.5" });
  expect(citext?.version).not.toBe("0.1");
});

test("an extension that the server does not have fails, and says which", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, noAbort());
  await expect(
    createExtensions(session, [{ name: "no_such_thing", schema: "public", version: "1" }]),
  ).rejects.toMatchObject({ message: expect.stringContaining("no_such_thing") as string });
});
