import { expect, test } from "vitest";
import { FindChangeJson } from "../src/json/find-change.ts";
import { backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";

const SQL = `
  create table product (id int primary key, note text) with (fillfactor = 10, autovacuum_enabled = off);
  alter table product alter note set storage plain;
  insert into product select g, repeat('x', 3000) || g from generate_series(1, 1100) g;
  create table quiet (id int primary key);
  insert into quiet select generate_series(1, 5);
`;

test("a deletion is found between the last backup with the rows and the first without, and the printed command undoes it", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  const { live, id: first } = subject;
  const place = ["--url", live.url, "--repository", subject.repository];
  const find = async (...args: string[]): Promise<FindChangeJson> => {
    const result = await runCli(["find-change", ...args, ...place, "--json"]);
    expect(result.code, result.stderr).toBe(0);
    return FindChangeJson.parse(jsonOf(result));
  };
  const second = await subject.backup("--kind", "snapshot");
  // Among others that came: the number of rows alone says nothing.
  await live.query(
    "delete from product where id between 500 and 509; insert into product select g, 'new' from generate_series(2001, 2010) g",
  );
  const third = await subject.backup("--kind", "snapshot");
  const archive = await subject.backup("--kind", "archive");

  const plain = await find("public.product");
  expect(plain.moments.map(({ id, rows, change }) => [id, rows, change.kind])).toEqual([
    [first, 1100, "first"],
    [second, 1100, "same"],
    [third, 1100, "other"],
    [archive, 1100, "as many"],
    [null, 1100, "as many"],
  ]);
  expect(plain).toMatchObject({ loss: null, next: null, parts: { read: 0, named: 0 } });

  const where = "id between 500 and 509";
  const asked = await find(subject.name, "product", "--where", where);
  expect(asked.moments.map(({ matching }) => matching)).toEqual([10, 10, 0, 0, 0]);
  expect(asked.loss).toMatchObject({ lastSeen: { id: second }, gone: { id: third }, before: 10, after: 0 });
  // The first two share all parts, and the third what was not touched.
  const all = (await find("product", "--where", where, "--from", third)).parts.named;
  expect(asked.parts.read).toBe(asked.parts.named);
  expect(asked.parts.read).toBeLessThan(2 * all);

  const text = (await runCli(["find-change", "product", "--where", where, ...place])).stdout;
  expect(text).toContain(`last seen in ${second}`);
  expect(text).toContain("the deletion lies between");
  expect(text).toContain("handled restore");
  const words = (asked.next ?? "").replaceAll("'", "");
  expect(words).toContain(`${second} --table public.product --missing-rows --where ${where} --dry-run`);
  const done = await runCli(
    [
      "restore",
      subject.name,
      second,
      "--table",
      "public.product",
      "--missing-rows",
      "--where",
      where,
      "--yes",
      ...place,
    ],
    { cwd: subject.scratch },
  );
  expect(done.code, done.stderr).toBe(0);
  expect((await find("product", "--where", where)).moments.at(-1)).toMatchObject({ id: null, matching: 10 });

  // A table that is gone is asked in a scratch database.
  await live.query("drop table product");
  const gone = await find("product", "--where", where, "--from", third);
  expect(gone.moments.map(({ rows, matching }) => [rows, matching])).toEqual([
    [1100, 0],
    [1100, 0],
    [null, null],
  ]);
  expect((await find("product")).next).toContain(`--new-database`);

  const quiet = await runCli(["find-change", "quiet", ...place]);
  expect(quiet.stdout).toContain("no rows went away");
  const unknown = await runCli(["find-change", "public.produkt", ...place]);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain("did you mean public.product?");
  const wrong = await runCli(["find-change", "quiet", "--where", "idd = 3", ...place]);
  expect(wrong.code).toBe(2);
});
