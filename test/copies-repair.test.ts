import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonOf, runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

const SQL = `
  create table item (id int primary key, note text);
  insert into item select n, repeat(md5(n::text), 20) from generate_series(1, 2000) n`;

async function backedUpTwice(live: FreshDatabase, cwd: string, kind: string): Promise<string> {
  await writeFile(
    join(cwd, "handled.yaml"),
    `version: 1
repositories: { local: { url: ./local }, offsite: { url: ./offsite } }
databases:
  data: { url: "${live.url}", repositories: [local, offsite], backups: [{ name: hourly, kind: ${kind} }] }
`,
  );
  const result = await runCli(["backup", "data", "--json"], { cwd });
  expect(result.code, result.stderr).toBe(0);
  return String(jsonOf(result)["id"]);
}

/** Every object that is not a lease, proof, link or the repository's own file, by its path below the place. */
async function objects(place: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const file of await readdir(place, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name);
    // The strategy is written anew by the next backup.
    const isOther = /lease\.|records\/|repository\.json|system\//.test(path);
    if (file.isFile() && !isOther) found.set(path.slice(place.length), await readFile(path));
  }
  return found;
}

const verify = ["verify", "data", "latest", "--level", "integrity"];

test.each(["archive", "snapshot"])(
  "`verify --repair` mends every object of a %s from the other place",
  async (kind) => {
    await using live = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    const id = await backedUpTwice(live, cwd, kind);
    const local = join(cwd, "local");
    const whole = await objects(local);
    const damages = [
      async (path: string) => await rm(path),
      async (path: string) => await truncate(path, 7),
      async (path: string, data: Buffer) => {
        const flipped = Buffer.from(data);
        const at = Math.floor(data.length / 2);
        flipped[at] = (flipped[at] ?? 0) ^ 4;
        await writeFile(path, flipped);
      },
    ];
    for (const damage of damages) {
      for (const [path, data] of whole) await damage(join(local, path), data);
      // Without an index the folder has still something in it, or there is no backup to mend at all.
      await writeFile(join(local, "data/backups", id, "tables"), "x");
      const result = await runCli([...verify, "--repair"], { cwd });
      expect(result.code, result.stderr).toBe(0);
      expect(await objects(local)).toEqual(whole);
      expect(result.stderr).toContain("in local");
    }
  },
);

test("each place is checked, and has a proof of its own", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  const id = await backedUpTwice(live, cwd, "snapshot");
  const both = await runCli(verify, { cwd });
  expect(both.code, both.stderr).toBe(0);
  expect(both.stdout).toContain(`${id} in local is proven`);
  expect(both.stdout).toContain(`${id} in offsite is proven`);
  for (const place of ["local", "offsite"]) {
    const shown = await runCli(["list", "data", "--repository", join(cwd, place)], { cwd });
    expect(shown.stdout).toContain("integrity");
  }
  await rm(join(cwd, "offsite/data/backups", id, "content"));
  const half = await runCli(verify, { cwd });
  expect(half.code, half.stderr).toBe(13);
  expect(half.stdout).toContain(`${id} in offsite is NOT proven`);
});

test("what no place has intact stays reported, and the rest is mended", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  const id = await backedUpTwice(live, cwd, "snapshot");
  const part = [...(await objects(join(cwd, "local"))).keys()].find((path) => path.includes("/parts/")) ?? "";
  const content = `/data/backups/${id}/content`;
  for (const place of ["local", "offsite"]) await truncate(join(cwd, place, part), 5);
  await rm(join(cwd, "local", content));
  const result = await runCli([...verify, "--repair", "--json"], { cwd });
  expect(result.code).toBe(13);
  expect(result.stderr).toContain("cannot be mended");
  expect(await readFile(join(cwd, "local", content))).toEqual(await readFile(join(cwd, "offsite", content)));
  // The half that is there was not spread over the other.
  expect((await runCli(verify, { cwd })).code).toBe(13);
});

test("with one place there is nothing to mend from", async () => {
  const result = await runCli(["verify", "data", "--repair", "--repository", "/nowhere"]);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("kept in one place");
});
