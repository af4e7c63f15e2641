import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { StatusJson } from "../src/json/status.ts";
import { VerifyJson } from "../src/json/restore.ts";
import { databaseFolder } from "../src/repository/layout.ts";
import { backedUp, type BackedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { DAMAGES, damageStored } from "./support/damage-stored.ts";
import { proofsOf } from "./support/proofs-of.ts";
import { noAbort } from "./support/runtime.ts";

const signal = noAbort();

const SQL = `
  create schema shop;
  create table shop.orders (id int primary key, at timestamptz default now(), note text);
  insert into shop.orders select g, '2024-01-01'::timestamptz + g * interval '1 min', md5(g::text) from generate_series(1, 30000) g;
  create table shop.items (id int primary key, title text);
  insert into shop.items select g, 'item ' || g from generate_series(1, 500) g;
  create table shop.empty (id int);
  create sequence shop.tickets;
  select nextval('shop.tickets');
  create materialized view shop.totals as select count(*) as n from shop.orders;
`;

async function verify(subject: BackedUp, ...args: string[]) {
  const result = await runCli([
    "verify",
    subject.name,
    "--repository",
    subject.repository,
    "--json",
    ...args,
  ]);
  return { code: result.code, stderr: result.stderr, report: VerifyJson.parse(jsonOf(result)) };
}

/** Keys of the repository that have this in them. */
async function keysWith({ storage }: BackedUp, part: string): Promise<string[]> {
  return (await storage.keys("", "all", signal)).filter((key) => key.includes(part)).toSorted();
}

describe("a snapshot", () => {
  test("that is whole is found whole, without any server, and the proof is listed and shown", async () => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
    const parts = await keysWith(subject, "/parts/");
    const { code, report } = await verify(subject, "--level", "integrity");
    expect(code).toBe(0);
    expect(report).toMatchObject({
      id: subject.id,
      kind: "snapshot",
      outcome: "proven",
      level: "integrity",
      proven: "integrity",
      server: null,
      problems: [],
      compared: { tables: 3, rows: 30_500, objects: 3 + 3 + parts.length },
    });
    const proof = (await proofsOf(subject)).get(report.record ?? "");
    expect(proof).toMatchObject({ backup: subject.id, outcome: "proven" });

    const place = ["--repository", subject.repository];
    const listed = jsonOf(await runCli(["list", ...place, "--json"]));
    expect(listed).toMatchObject({
      databases: [
        { backups: [{ id: subject.id, proof: { outcome: "proven", proven: "integrity", rows: 30_500 } }] },
      ],
    });
    expect((await runCli(["list", ...place])).stdout).toMatch(/integrity \d+/);
    const shown = await runCli(["show", subject.id, ...place]);
    expect(shown.stdout).toContain("integrity, 30,500 rows");
  });

  test.each([
    ["index", `/index`],
    ["tables", `/tables`],
    ["content", `/content`],
    ["part list", `/tables/`],
    ["part", `/parts/`],
  ] as const)("whose %s is changed, cut or missing is damaged, and that is named", async (object, path) => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
    const inManifest = ["index", "tables", "content"].includes(object);
    const [key = ""] = await keysWith(subject, inManifest ? `backups/${subject.id}${path}` : path);
    for (const way of DAMAGES) {
      // Without its index and mark a folder is a backup whose index is missing.
      const whole = await damageStored(subject.storage, key, way);
      const { code, report } = await verify(subject, subject.id, "--level", "integrity");
      expect(code, way).toBe(13);
      expect(report, way).toMatchObject({ outcome: "failed", proven: null });
      expect(report.problems[0], way).toMatchObject({ object });
      if (!inManifest) {
        expect(report.problems[0]?.table, way).toMatch(/^shop\./);
        expect(key, way).toContain(report.problems[0]?.part);
      }
      expect(report.problems[0]?.reason, way).not.toBe("");
      await subject.storage.put(key, whole, signal);
    }
    expect((await verify(subject, subject.id, "--level", "integrity")).code).toBe(0);
    // Four proofs, and the newest is the one that counts.
    expect((await proofsOf(subject)).size).toBe(4);
    const listed = jsonOf(await runCli(["list", "--repository", subject.repository, "--json"]));
    expect(listed).toMatchObject({ databases: [{ backups: [{ proof: { outcome: "proven" } }] }] });
  });

  test("with several damages has all of them told, each by its table", async () => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
    const parts = await keysWith(subject, "/parts/");
    for (const part of parts) await damageStored(subject.storage, part, "flipped");
    await subject.storage.delete(`${databaseFolder(subject.name)}backups/${subject.id}/content`, signal);
    const { code, report } = await verify(subject, "--level", "integrity");
    expect(code).toBe(13);
    const told = report.problems.map(({ object, table }) => `${object} ${table}`);
    expect(told).toHaveLength(1 + parts.length);
    expect(new Set(told)).toEqual(new Set(["content null", "part shop.items", "part shop.orders"]));
    const text = await runCli(["verify", subject.name, "--repository", subject.repository]);
    expect(text.code).toBe(13);
    expect(text.stdout).toContain(`NOT proven: ${1 + parts.length} problems`);
    const listed = await runCli(["list", "--repository", subject.repository]);
    expect(listed.stdout).toContain("damaged");
  });
});

describe("an archive", () => {
  test.each(["plain", "custom"])("%s: whole, and then changed, cut or missing", async (format) => {
    await using subject = await backedUp({ sql: SQL, backup: ["--format", format] });
    const sound = await verify(subject, "--level", "integrity");
    expect(sound.code).toBe(0);
    expect(sound.report).toMatchObject({ kind: "archive", proven: "integrity", compared: { rows: 30_500 } });
    const key = `${databaseFolder(subject.name)}${subject.archiveName}`;
    for (const way of DAMAGES) {
      const whole = await damageStored(subject.storage, key, way);
      const { code, report } = await verify(subject, "--level", "integrity");
      expect(code, way).toBe(13);
      expect(report.problems, way).toMatchObject([{ object: "archive" }]);
      await subject.storage.put(key, whole, signal);
    }
  });

  test("of another tool has nothing to be compared with", async () => {
    await using subject = await backedUp({ sql: SQL });
    const key = `${databaseFolder(subject.name)}other.sql`;
    await subject.storage.put(key, Buffer.from("select 1;"), signal);
    const result = await runCli(["verify", subject.name, "other.sql", "--repository", subject.repository]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("it is foreign");
  });
});

test("a backup is found by its id alone, and one that is not there is told", async () => {
  await using subject = await backedUp({ sql: "create table t (id int)" });
  const place = ["--repository", subject.repository, "--level", "integrity", "--json"];
  const found = await runCli(["verify", subject.id, ...place]);
  expect(found.code).toBe(0);
  expect(jsonOf(found)).toMatchObject({ id: subject.id, database: subject.name });
  const all = await runCli(["verify", ...place]);
  expect(jsonOf(all)).toMatchObject({ id: subject.id });
  const missing = await runCli(["verify", "20200101T000000Z-0000", ...place]);
  expect(missing.code).toBe(1);
  expect(jsonOf(missing)).toMatchObject({ error: { code: "backup_missing" } });
});

test("a scheduled verification of the newest also finds what older ones lack, once; by hand it looks at one alone", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  const [gone = ""] = await keysWith(subject, "/parts/");
  await subject.live.query("update shop.orders set note = 'new'; update shop.items set title = 'new'");
  const newest = await subject.backup("--kind", "snapshot", "--full-read");
  const config = join(subject.scratch, "handled.yaml");
  const entry = { url: subject.live.url, verify: [{ name: "weekly", level: "integrity" }] };
  const repositories = { local: { url: subject.repository } };
  await writeFile(config, stringify({ version: 1, repositories, databases: { [subject.name]: entry } }));
  const weekly = async () => await runCli(["verify", subject.name, "--entry", "weekly", "--config", config]);
  expect((await weekly()).code).toBe(0);
  await damageStored(subject.storage, gone, "removed");
  expect((await verify(subject, "--level", "integrity")).code).toBe(0);

  const found = await weekly();
  expect(found.code, found.stderr).toBe(3);
  expect(found.stderr).toContain(`${subject.id} cannot be restored whole any more, which is recorded: part `);
  const proofs = [...(await proofsOf(subject)).values()].map(({ backup, operation, outcome }) => ({
    backup,
    operation,
    outcome,
  }));
  expect(proofs.filter(({ outcome }) => outcome === "failed")).toEqual([
    { backup: subject.id, operation: "check", outcome: "failed" },
  ]);
  const args = ["status", subject.name, "--repository", subject.repository, "--json"];
  const { databases } = StatusJson.parse(jsonOf(await runCli(args)));
  expect(databases[0]?.problems).toMatchObject([
    {
      id: "backup-damaged",
      subject: subject.id,
      message: expect.stringContaining("is not there in the size"),
    },
  ]);
  const again = await weekly();
  expect(again.code, again.stderr).toBe(0);
  expect(again.stdout).toContain(newest);
});
