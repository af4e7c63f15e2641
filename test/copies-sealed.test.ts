import { execFileSync } from "node:child_process";
import { readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sealClassOf } from "../src/repository/sealing/classes.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { identityIn, type TestIdentity } from "./support/keys.ts";
import { freshBucket, objectStore, s3Environment } from "./support/object-store.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

const SQL = `
  create table item (id int primary key, note text);
  insert into item select n, repeat(md5(n::text), 20) from generate_series(1, 2000) n;
  create table other as select generate_series(1, 10) as id`;
const contents = "select count(*)::int as rows, sum(length(note))::int as length from item";

/** A host with the recipient alone, an owner with the identity, and a database that is kept in two encrypted folders. */
class TwoPlaces implements AsyncDisposable {
  readonly live: FreshDatabase;
  readonly cwd: string;
  readonly owner: TestIdentity;
  readonly #owned: AsyncDisposableStack;

  constructor(live: FreshDatabase, cwd: string, owned: AsyncDisposableStack) {
    this.live = live;
    this.cwd = cwd;
    this.owner = identityIn(cwd);
    this.#owned = owned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  path(...names: string[]): string {
    return join(this.cwd, ...names);
  }

  async strategy(kind: string, recipients: readonly string[] = [this.owner.recipient]): Promise<void> {
    const sealed = `recipients: [${recipients.join(", ")}]`;
    await writeFile(
      this.path("handled.yaml"),
      `version: 1
timezone: UTC
repositories:
  local: { url: ./local, ${sealed} }
  offsite: { url: ./offsite, ${sealed} }
databases:
  data: { url: "${this.live.url}", repositories: [local, offsite], backups: [{ name: hourly, kind: ${kind} }] }
`,
    );
  }

  /** What the backup host types. */
  async host(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    const keys = { HOME: this.path("home"), XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" };
    return await runCli(args, { cwd: this.cwd, env: { ...keys, ...env } });
  }

  /** The same with the identity, on a machine that has no key of its own. */
  async person(args: readonly string[], owner = this.owner): Promise<CliResult> {
    return await this.host([...args, "--identity", owner.file], { HOME: "/nonexistent" });
  }

  async backup(...args: string[]): Promise<string> {
    const result = await this.host(["backup", "data", "--json", ...args]);
    expect(result.code, result.stderr).toBe(0);
    return String(jsonOf(result)["id"]);
  }
}

async function twoPlaces(kind: string): Promise<TwoPlaces> {
  const owned = new AsyncDisposableStack();
  const live = owned.use(await freshDatabase({ sql: SQL }));
  const folder = owned.use(await temporaryFolder());
  const places = new TwoPlaces(live, folder.path, owned);
  await places.strategy(kind);
  return places;
}

/** Every object by its key, but what every place has of its own. */
async function objects(place: string): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (const file of await readdir(place, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name);
    const key = path.slice(place.length + 1);
    const isOwn = /lease\.|records\/|readers\/|^repository\.json|^system\//.test(key);
    if (file.isFile() && !isOwn) found.set(key, await readFile(path));
  }
  return found;
}

const secretKeys = (all: Iterable<string>): string[] =>
  [...all].filter((key) => sealClassOf(key) === "secret");

async function flipBit(path: string, from = 0.5): Promise<void> {
  const data = await readFile(path);
  const at = Math.floor(data.length * from);
  data[at] = (data[at] ?? 0) ^ 1;
  await writeFile(path, data);
}

async function sealingOf(place: string): Promise<Record<string, unknown>> {
  const file = JSON.parse(await readFile(join(place, "repository.json"), "utf8")) as Record<string, unknown>;
  return file["sealing"] as Record<string, unknown>;
}

function ageOpen(owner: TestIdentity, path: string): Buffer {
  return execFileSync("age", ["-d", "-i", owner.file, path]);
}

test.each(["archive", "snapshot"])(
  "an encrypted %s lies in both places byte for byte, `age -d` opens it, and the second restores alone",
  async (kind) => {
    await using places = await twoPlaces(kind);
    await using target = await freshDatabase();
    await places.backup();
    await places.live.query("update item set note = 'changed' where id = 5");
    const second = await places.backup();
    const [local, offsite] = [places.path("local"), places.path("offsite")];
    const there = await objects(local);
    expect(await objects(offsite)).toEqual(there);
    expect([...there.keys()].filter((key) => key.includes(second))).toHaveLength(3);
    for (const key of there.keys())
      if (sealClassOf(key) !== "plain") ageOpen(places.owner, join(offsite, key));
    // One naming key, sealed anew.
    const [one, two] = [await sealingOf(local), await sealingOf(offsite)];
    expect(two).toMatchObject({ recipients: one["recipients"], hosts: one["hosts"] });
    expect(ageOpen(places.owner, join(offsite, String(two["namingKey"])))).toEqual(
      ageOpen(places.owner, join(local, String(one["namingKey"]))),
    );

    await rm(local, { recursive: true });
    const restored = await places.person(["restore", "data", "--to", target.url]);
    expect(restored.code, restored.stderr).toBe(0);
    expect(await target.query(contents)).toEqual(await places.live.query(contents));
    // Emptied behind our back: it gets the same keys again, and all of it.
    const copied = await places.host(["copy", "--new-place"]);
    expect(copied.code, copied.stderr).toBe(0);
    expect(await objects(local)).toEqual(there);
    expect(ageOpen(places.owner, join(local, String((await sealingOf(local))["namingKey"])))).toEqual(
      ageOpen(places.owner, join(offsite, String(two["namingKey"]))),
    );
    // What is reused in the one is there in the other.
    await places.backup();
    expect(await objects(offsite)).toEqual(await objects(local));
  },
);

test("a bucket gets what a folder has as it is, and mends it", async () => {
  await objectStore();
  const bucket = await freshBucket();
  await using places = await twoPlaces("snapshot");
  await using target = await freshDatabase();
  const env = s3Environment(bucket);
  const two = ["--repository", places.path("local"), "--repository", bucket.url];
  const to = ["--recipient", places.owner.recipient];
  const taken = await places.host(["backup", "data", "--kind", "snapshot", ...two, ...to], env);
  expect(taken.code, taken.stderr).toBe(0);
  const whole = await objects(places.path("local"));
  await rm(places.path("local"), { recursive: true });
  const copied = await places.host(["copy", "data", "--new-place", ...two], env);
  expect(copied.code, copied.stderr).toBe(0);
  expect(await objects(places.path("local"))).toEqual(whole);
  for (const key of secretKeys(whole.keys())) await rm(places.path("local", key));
  const owner = ["--identity", places.owner.file];
  const restored = await places.host(["restore", "data", "--to", target.url, ...two, ...owner], env);
  expect(restored.code, restored.stderr).toBe(0);
  expect(await target.query(contents)).toEqual(await places.live.query(contents));
});

test.each(["archive", "snapshot"])("a %s is restored part by part from where it is whole", async (kind) => {
  await using places = await twoPlaces(kind);
  const id = await places.backup();
  const keys = secretKeys((await objects(places.path("local"))).keys());
  const damages = [
    async (path: string) => await flipBit(path),
    // In the header, where only whoever opens it can tell.
    async (path: string) => await flipBit(path, 100 / (await readFile(path)).length),
    async (path: string) => await truncate(path, 1500),
    async (path: string) => await rm(path),
  ];
  for (const [round, damage] of damages.entries()) {
    await using target = await freshDatabase();
    for (const [at, key] of keys.entries()) {
      // Each place has damage of its own; an archive is in one piece, and so is the content.
      const place = kind === "snapshot" && key.includes("/parts/") && at % 2 === 1 ? "offsite" : "local";
      await damage(places.path(place, key));
    }
    const restored = await places.person(["restore", "data", id, "--jobs", "2", "--to", target.url]);
    expect(restored.code, `${round}: ${restored.stderr}`).toBe(0);
    expect(await target.query(contents)).toEqual(await places.live.query(contents));
    expect(restored.stderr).toMatch(/is read from offsite|offsite is read/);
    const mended = await places.person(["verify", "data", id, "--level", "integrity", "--repair"]);
    expect(mended.code, `${round}: ${mended.stderr}`).toBe(0);
    expect(await objects(places.path("local"))).toEqual(await objects(places.path("offsite")));
  }
});

test("two backups are compared, part lists and all, from wherever they are whole", async () => {
  await using places = await twoPlaces("snapshot");
  const first = await places.backup();
  await places.live.query("update item set note = 'changed' where id = 5");
  const second = await places.backup();
  const compare = ["diff", "data", first, second, "--json"];
  const before = jsonOf(await places.person(compare));
  const all = [...(await objects(places.path("local"))).keys()];
  for (const key of all.filter((name) => /\/tables$|\/tables\/|\/content$/.test(name)))
    await flipBit(places.path("local", key), 0.999);
  const again = await places.person(compare);
  expect(again.code, again.stderr).toBe(0);
  expect(jsonOf(again)).toEqual(before);
  expect(again.stderr).toContain(`this is read from ${places.path("offsite")}`);
  const shown = await places.person(["show", "data", second]);
  expect(shown.code, shown.stderr).toBe(0);
});

test("without the identity nothing is restored from any place, and nothing is called damaged", async () => {
  await using places = await twoPlaces("snapshot");
  await using target = await freshDatabase();
  const id = await places.backup();
  const restored = await places.host(["restore", "data", id, "--to", target.url]);
  expect(restored.code, restored.stderr).toBe(12);
  const list = await places.host(["list", "data"]);
  expect(list.stdout).toContain(id);
  expect(list.stdout).not.toMatch(/damaged|FAILED/);
});

test.each(["archive", "snapshot"])(
  "the host mends a %s without any identity, as far as it shows",
  async (kind) => {
    await using places = await twoPlaces(kind);
    const id = await places.backup();
    const local = places.path("local");
    const whole = await objects(local);
    const damages = [
      // Behind the header: a flipped bit in there shows only to whoever opens it.
      async (path: string) => await flipBit(path, 0.999),
      async (path: string) => await truncate(path, 700),
      async (path: string) => await rm(path),
    ];
    for (const damage of damages) {
      for (const key of whole.keys()) if (!key.endsWith("/index")) await damage(join(local, key));
      const mended = await places.host(["verify", "data", id, "--repair"]);
      expect(mended.code, mended.stderr).toBe(12);
      expect(mended.stderr).toMatch(/local: .*objects? mended without an identity, and not verified/);
      expect(mended.stderr).toMatch(/offsite: .*nothing is wrong with it that shows/);
      expect(await objects(local)).toEqual(whole);
    }
    // The same as a check: what was damaged is right again, so nothing is held against the backup, and nothing is proven.
    for (const key of whole.keys()) if (!key.endsWith("/index")) await flipBit(join(local, key), 0.999);
    const checked = await places.host(["verify", "data", id, "--repair", "--level", "integrity"]);
    expect(checked.code, checked.stderr).toBe(4);
    expect(checked.stdout).toMatch(/is not proven: nothing is wrong/);
    expect(await objects(local)).toEqual(whole);
    expect((await places.host(["status", "data"])).stdout).toContain("✓ healthy");
    const proof = await places.person(["verify", "data", id, "--level", "integrity"]);
    expect(proof.code, proof.stderr).toBe(0);
  },
);

test("damage is not copied: the host compares what it cannot open", async () => {
  await using places = await twoPlaces("snapshot");
  const id = await places.backup("--repository", places.path("local"), "--recipient", places.owner.recipient);
  const [part] = secretKeys((await objects(places.path("local"))).keys()).filter((key) =>
    key.includes("/parts/"),
  );
  await flipBit(places.path("local", part ?? ""), 0.999);
  const copied = await places.host(["copy", "--new-place"]);
  expect(copied.code, copied.stderr).toBe(3);
  expect(`${copied.stdout}${copied.stderr}`).toContain("its SHA-256 is not the one in its header");
  const list = await places.host(["list", "data", "--repository", places.path("offsite")]);
  expect(list.stdout).not.toContain(id);
});

test("a place with other keys, or none, is refused before anything is written to it", async () => {
  await using places = await twoPlaces("snapshot");
  const one = (name: string): string[] => ["--repository", places.path(name)];
  const sealed = ["--recipient", places.owner.recipient];
  await places.backup(...one("local"), ...sealed);
  await places.backup(...one("offsite"), ...sealed);
  await places.backup(...one("open"));
  const names = async (name: string): Promise<string[]> =>
    (await readdir(places.path(name), { recursive: true }))
      .filter((file) => !file.includes("lease."))
      .toSorted();
  for (const [name, reason] of [
    ["offsite", "naming key of its own"],
    ["open", "is not encrypted"],
  ] as const) {
    const before = await names(name);
    const copied = await places.host(["copy", "data", ...one("local"), ...one(name)]);
    expect(copied.code).toBe(3);
    expect(`${copied.stdout}${copied.stderr}`).toContain(reason);
    expect(await names(name)).toEqual(before);
  }
  // The backup itself is taken, and the run is degraded.
  const taken = await places.host(["backup", "data"]);
  expect(taken.code, taken.stderr).toBe(3);
  expect(taken.stderr).toContain("naming key of its own");
});

test("while the first place cannot be read no second naming key is made", async () => {
  await using places = await twoPlaces("snapshot");
  await places.backup("--repository", places.path("local"), "--recipient", places.owner.recipient);
  const file = await readFile(places.path("local/repository.json"));
  await writeFile(places.path("local/repository.json"), "{");
  const taken = await places.host(["backup", "data"]);
  expect(taken.code).not.toBe(0);
  expect(taken.stderr).toContain("with the keys of the other places");
  expect(await readdir(places.cwd)).not.toContain("offsite");
  await writeFile(places.path("local/repository.json"), file);
  await places.backup("--new-place");
  expect(await objects(places.path("offsite"))).toEqual(await objects(places.path("local")));
});

test("when recipients change, one place alone is not written to, and `key rewrap` makes both one again", async () => {
  await using places = await twoPlaces("snapshot");
  await using target = await freshDatabase();
  const first = await places.backup();
  const added = identityIn(places.cwd, "added");
  await places.strategy("snapshot", [places.owner.recipient, added.recipient]);
  const rewrap = async (...args: string[]): Promise<CliResult> =>
    await places.host(["key", "rewrap", "--identity", places.owner.file, ...args]);
  expect((await rewrap("--repository", "local")).code).toBe(0);
  const degraded = await places.host(["backup", "data"]);
  expect(degraded.code, degraded.stderr).toBe(3);
  expect(degraded.stderr).toContain("different recipients");
  const copied = await places.host(["copy"]);
  expect(copied.code).toBe(3);
  expect(`${copied.stdout}${copied.stderr}`).toContain("handled key rewrap");
  // Both can still be read together.
  const restored = await places.person(["restore", "data", first, "--to", target.url]);
  expect(restored.code, restored.stderr).toBe(0);

  expect((await rewrap()).code).toBe(0);
  await places.backup();
  await rm(places.path("local"), { recursive: true });
  await using again = await freshDatabase();
  const byAdded = await places.person(["restore", "data", "--to", again.url], added);
  expect(byAdded.code, byAdded.stderr).toBe(0);
  expect(await again.query(contents)).toEqual(await places.live.query(contents));
});

test("a host that takes over one place alone takes over the others by `key rewrap` from any host", async () => {
  await using places = await twoPlaces("snapshot");
  await places.backup();
  const rewrap = ["key", "rewrap", "--identity", places.owner.file];
  const other = { HOME: places.path("other-home") };
  expect(
    (
      await places.host(
        [...rewrap, "--repository", places.path("local"), "--recipient", places.owner.recipient],
        other,
      )
    ).code,
  ).toBe(0);
  const refused = await places.host(["copy"]);
  expect(refused.code).toBe(3);
  expect(`${refused.stdout}${refused.stderr}`).toContain("different hosts");
  expect((await places.host(rewrap)).code).toBe(0);
  await places.backup();
  const byOther = await places.host(["backup", "data"], other);
  expect(byOther.code, byOther.stderr).toBe(0);
});

test("what is sealed to fewer keys than its place names is not brought over as if it were not", async () => {
  await using places = await twoPlaces("archive");
  const id = await places.backup();
  const key = [...(await objects(places.path("local"))).keys()].find((name) => name.endsWith(".age")) ?? "";
  const old = await readFile(places.path("local", key));
  const added = identityIn(places.cwd, "added");
  await places.strategy("archive", [places.owner.recipient, added.recipient]);
  expect((await places.host(["key", "rewrap", "--identity", places.owner.file])).code).toBe(0);
  await writeFile(places.path("local", key), old);
  await rm(places.path("offsite"), { recursive: true });
  const copied = await places.host(["copy", "--new-place"]);
  expect(copied.code).toBe(3);
  expect(`${copied.stdout}${copied.stderr}`).toContain("it is sealed to 1 of 2 keys");
  const list = await places.host(["list", "data", "--repository", places.path("offsite")]);
  expect(list.stdout).not.toContain(id);
});

test("what comes from a place that is not sealed anew to its end makes the other one such a place too", async () => {
  await using places = await twoPlaces("archive");
  await places.backup();
  const file = places.path("local", "repository.json");
  const text = JSON.parse(await readFile(file, "utf8")) as { sealing: object };
  await writeFile(file, JSON.stringify({ ...text, sealing: { ...text.sealing, mixed: true } }));
  const id = await places.backup("--repository", places.path("local"));
  expect((await sealingOf(places.path("offsite")))["mixed"]).toBeUndefined();
  const copied = await places.host(["copy"]);
  expect(copied.code, copied.stderr).toBe(0);
  expect(copied.stderr).toContain("not sealed to all of its keys yet");
  expect(await sealingOf(places.path("offsite"))).toMatchObject({ mixed: true });
  const verified = await places.person(["verify", id, "--level", "integrity", "--json"]);
  expect(verified.code, verified.stderr).toBe(0);
  expect(verified.stdout).toContain(places.path("local"));
  expect(verified.stdout).toContain(places.path("offsite"));
});
