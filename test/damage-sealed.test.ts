import { readFile, truncate, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VerifyJson } from "../src/json/restore.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { type CliResult, jsonOf } from "./support/cli.ts";
import { uniqueName } from "./support/postgres.ts";
import { type Sealed, sealedBackups } from "./support/sealed-backups.ts";

const SQL = `
create table public.orders (id int primary key, note text);
insert into public.orders select g, md5(g::text) from generate_series(1, 3000) g;
create table public.items as select g as id, 'item ' || g as title from generate_series(1, 100) g;`;

let shop: Sealed;
let snapshot: string;
let archive: string;
/** Taken of the same database, and never damaged. */
let sound: string;

beforeAll(async () => {
  shop = await sealedBackups(SQL);
  sound = String((await shop.backup(["--kind", "archive"]))["id"]);
  snapshot = String((await shop.backup(["--kind", "snapshot", "--jobs", "1"]))["id"]);
  archive = String((await shop.backup(["--kind", "archive", "--format", "custom"]))["id"]);
});

afterAll(async () => {
  await shop[Symbol.asyncDispose]();
});

async function fileOf(part: string): Promise<string> {
  return (await shop.files()).find((file) => file.includes(part)) ?? "";
}

interface Verified {
  readonly code: number | null;
  readonly report: VerifyJson;
  readonly stderr: string;
}

const asVerified = (result: CliResult): Verified => ({
  code: result.code,
  stderr: result.stderr,
  report: VerifyJson.parse(jsonOf(result)),
});
const args = (id: string): string[] => [shop.live.name, id, "--level", "integrity", "--jobs", "1", "--json"];
const byPerson = async (id: string): Promise<Verified> => asVerified(await shop.person("verify", args(id)));
const byHost = async (id: string): Promise<Verified> => asVerified(await shop.host("verify", args(id)));

async function restore(id: string): Promise<CliResult> {
  await using restored = expectedDatabase(uniqueName());
  return await shop.person("restore", [shop.live.name, id, "--jobs", "1", "--new-database", restored.name]);
}

async function flip(path: string, at: number): Promise<void> {
  const data = await readFile(path);
  const position = at < 0 ? data.length + at : at;
  data.writeUInt8(data.readUInt8(position) ^ 0x10, position);
  await writeFile(path, data);
}

/** In the body of the first stanza, which begins at byte 76: another file key, and as good base64 as before. */
async function changeStanza(path: string): Promise<void> {
  const data = await readFile(path);
  data.write(data[90] === 65 ? "B" : "A", 90);
  await writeFile(path, data);
}

const WAYS = {
  "a stanza changed": changeStanza,
  "its last tag flipped": (path: string) => flip(path, -1),
  "its end cut": async (path: string) => await truncate(path, (await readFile(path)).length - 17),
} as const;

type Way = keyof typeof WAYS;
// What only an identity can tell: nobody else knows what the stanzas of the recipients hold.
const UNSEEN: Way = "a stanza changed";

// In the snapshot, or the archive.
const OBJECTS = [
  ["index", "snapshot", "/index"],
  ["tables", "snapshot", "/tables"],
  ["content", "snapshot", "/content"],
  ["part list", "snapshot", "/tables/"],
  ["part", "snapshot", "/parts/"],
  ["archive", "archive", ".dump.age"],
] as const;

test.each(OBJECTS)(
  "a sealed %s that is changed or cut is named, and never restored",
  async (object, kind, part) => {
    const isSecret = ["content", "part", "archive"].includes(object);
    const isManifest = ["index", "tables", "content"].includes(object);
    const id = kind === "snapshot" ? snapshot : archive;
    const path = await fileOf(isManifest ? `backups/${id}${part}` : part);
    const whole = await readFile(path);
    for (const way of Object.keys(WAYS) as Way[]) {
      await writeFile(path, whole);
      await WAYS[way](path);
      const host = await byHost(id);
      if (isSecret && way === UNSEEN)
        expect([host.code, host.report.outcome, host.report.problems], way).toEqual([4, "unopened", []]);
      else expect([host.code, host.report.problems[0]?.object], way).toEqual([13, object]);
      // With an identity it is found as it is where nothing is sealed.
      if (way === "its end cut") continue;
      const person = await byPerson(id);
      expect([person.code, person.report.problems[0]?.object], way).toEqual([13, object]);
      expect(path).toContain(isManifest ? id : (person.report.problems[0]?.part ?? part));
      const refused = await restore(id);
      expect(refused.code, `${way}: ${refused.stderr}`).toBe(13);
    }
    await writeFile(path, whole);
    expect((await byPerson(id)).report).toMatchObject({ outcome: "proven", proven: "integrity" });
  },
);

test("damage of one backup leaves the others as they are", async () => {
  const paths = [
    await fileOf(`backups/${snapshot}/content`),
    await fileOf("/parts/"),
    await fileOf(".dump.age"),
  ];
  const whole = await Promise.all(paths.map((path) => readFile(path)));
  for (const path of paths) await flip(path, -1);
  expect((await byPerson(sound)).code).toBe(0);
  expect((await restore(sound)).code).toBe(0);
  const listed = await shop.host("list", [shop.live.name]);
  for (const id of [snapshot, archive, sound]) expect(listed.stdout).toContain(id);
  for (const [at, path] of paths.entries()) await writeFile(path, whole[at] ?? "");
});

describe("integrity without an identity", () => {
  test("compares every object as it lies there, and calls nothing proven", async () => {
    await byPerson(snapshot);
    // The runs themselves are recorded.
    const proofsAndObjects = async (): Promise<string[]> =>
      (await shop.files()).filter((file) => !file.includes("/records/runs/")).toSorted();
    const before = await proofsAndObjects();
    for (const id of [snapshot, archive]) {
      const { code, report, stderr } = await byHost(id);
      expect(code, stderr).toBe(4);
      expect(report).toMatchObject({
        outcome: "unopened",
        proven: null,
        problems: [],
        record: null,
        compared: { rows: 0, definitions: 0 },
        notCompared: [{ reason: expect.stringContaining("identity") }],
      });
      expect(stderr).toContain("not recorded");
    }
    // Index, tables, content; a list and a part of each table.
    expect((await byHost(snapshot)).report.compared.objects).toBe(3 + 4);
    expect(await proofsAndObjects()).toEqual(before);
    const text = await shop.host("verify", [shop.live.name, snapshot, "--level", "integrity"]);
    expect(text.stdout).toMatch(/is not proven: nothing is wrong .* no key here opens the rest/);
    const listed = await shop.host("list", [shop.live.name, "--json"]);
    expect(JSON.stringify(jsonOf(listed))).toContain('"proven":"integrity"');
  });

  test.each(["restore", "content"])("is what it takes: %s is refused with 12, and says so", async (level) => {
    const result = await shop.host("verify", [shop.live.name, "--level", level]);
    expect([result.code, result.stderr]).toEqual([12, expect.stringContaining("--level integrity")]);
  });

  test("records damage, but never in the place of a proof that names more", async () => {
    const [part, content] = [await fileOf("/parts/"), await fileOf(`backups/${snapshot}/content`)];
    const whole = [await readFile(part), await readFile(content)] as const;
    await flip(part, -1);
    const first = await byHost(snapshot);
    expect([first.code, first.report.record]).toEqual([13, expect.stringContaining("proofs/")]);
    // Only the person sees this one.
    await changeStanza(content);
    expect((await byPerson(snapshot)).report.problems).toHaveLength(2);
    const less = await byHost(snapshot);
    expect([less.code, less.report.problems.length, less.report.record]).toEqual([13, 1, null]);
    expect(less.stderr).toContain("found more");
    await writeFile(part, whole[0]);
    await writeFile(content, whole[1]);
    // That it looks right now is no proof that it is.
    expect((await byHost(snapshot)).code).toBe(4);
    const listed = await shop.host("list", [shop.live.name]);
    expect(listed.stdout).toMatch(new RegExp(`${snapshot}.*FAILED`));
  });

  test("is enough for the next snapshot to store anew what rotted", async () => {
    const part = await fileOf("/parts/");
    await flip(part, -1);
    expect((await byHost(snapshot)).code).toBe(13);
    const next = String((await shop.backup(["--kind", "snapshot", "--jobs", "1"]))["id"]);
    expect((await byPerson(snapshot)).code).toBe(13);
    expect((await byPerson(next)).code).toBe(0);
  });
});
