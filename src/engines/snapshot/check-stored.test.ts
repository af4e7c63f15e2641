import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { rangeOf } from "../../../test/support/sample-snapshot.ts";
import { storeRows } from "../../../test/support/stored-rows.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { partKey } from "../../repository/layout.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { startPartList } from "../../repository/part-lists.ts";
import { openOrCreateRepository, type Repository } from "../../repository/repository.ts";
import { openFilesystem } from "../../storage/filesystem.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { checkStored } from "./check-stored.ts";
import { addDigests, ZERO_DIGEST } from "./row-digest.ts";

const signal = noAbort();

/** Writes a table's list, and returns the line that fits it. */
async function listParts(
  repository: Repository,
  name: string,
  parts: readonly PartLine[],
): Promise<SnapshotTable> {
  const header = {
    format: 1,
    schema: "public",
    name,
    columns: ["a"],
    copy: `COPY "public"."${name}" ("a") FROM STDIN`,
    rangeBlocks: 1,
  };
  await using list = startPartList(repository, "shop", header, signal);
  for (const [number, part] of parts.entries()) await list.add({ ...rangeOf(number, part), rows: part.rows });
  const none = { parts: 0, bytes: 0 };
  return {
    schema: "public",
    name,
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
    digest: parts.reduce((sum, { digest }) => addDigests(sum, digest), ZERO_DIGEST),
    partList: await list.finish(),
    identity: null,
    read: none,
    reused: none,
    note: null,
  };
}

test("of many small parts, and long ones between them, each that is damaged is told, in their order", async () => {
  await using folder = await temporaryFolder();
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, openFilesystem(runtime, folder.path), signal);
  // Made durable one by one they would take a minute.
  const made = memoryStorage();
  const store = (text: string): Promise<PartLine> => storeRows(made, "shop", Buffer.from(text));
  const long = "a long row\n".repeat(250_000);
  const one: PartLine[] = [];
  const two: PartLine[] = [];
  for (let at = 0; at < 330; at++)
    one.push(await store(at === 100 || at === 200 ? `${long}${at}\n` : `one ${at}\n`));
  for (let at = 0; at < 20; at++) two.push(await store(`two ${at}\n`));
  for await (const { key } of made.list("", "all", signal)) {
    await mkdir(dirname(join(folder.path, key)), { recursive: true });
    await writeFile(join(folder.path, key), await made.get(key, signal));
  }
  // Recorded otherwise than they are: of the second table, though it is the first that holds it.
  const lies = { ...(one[5] as PartLine), rows: 2 };
  const tables = [
    await listParts(repository, "one", one),
    await listParts(repository, "two", [...two, lies, ...one.slice(0, 20)]),
  ];
  const stored = { repository, database: "shop", tables };
  const whole = await checkStored(runtime, stored, 2, signal);
  expect(whole.objects).toBe(2 + 330 + 20 + 1);
  expect(whole.damage).toMatchObject([{ object: "part", table: "public.two", part: lies.name }]);
  expect(whole.damage[0]?.reason).toContain("1 rows, its list says 2");

  const pathOf = (part: PartLine | undefined): string =>
    join(folder.path, partKey("shop", part?.name ?? expect.fail("there is no such part")));
  for (const part of [one[0], one[200], two[19]]) await rm(pathOf(part));
  for (const part of [one[256], two[0]]) await truncate(pathOf(part), 7);
  for (const part of [one[99], one[100], one[329]]) {
    const bytes = await readFile(pathOf(part));
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 1, bytes.length - 3);
    await writeFile(pathOf(part), bytes);
  }
  const { damage } = await checkStored(runtime, stored, 2, signal);
  expect(
    damage.map(({ part, reason }) => [part, /SHA-256|decompress|not there|bytes, it|rows/.exec(reason)?.[0]]),
  ).toEqual([
    [one[0]?.name, "not there"],
    [one[99]?.name, "SHA-256"],
    [one[100]?.name, "decompress"],
    [one[200]?.name, "not there"],
    [one[256]?.name, "bytes, it"],
    [one[329]?.name, "SHA-256"],
    [two[0]?.name, "bytes, it"],
    [two[19]?.name, "not there"],
    [lies.name, "rows"],
  ]);
});
