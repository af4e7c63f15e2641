import { execFileSync } from "node:child_process";
import { createCipheriv, randomBytes, scryptSync } from "node:crypto";
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeHeader } from "../src/lib/age/header.ts";
import { PayloadSealer } from "../src/lib/age/payload.ts";
import { sealClassOf } from "../src/repository/sealing/classes.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { contentsOf } from "./support/database-contents.ts";
import { freshDatabase, type FreshDatabase, temporaryFolder, uniqueName } from "./support/postgres.ts";

const STRATEGY = (url: string) => `# The strategy of a small shop.
version: 1
repositories:
  local: # the disk in the cellar
    url: ./repository
databases:
  shop:
    url: ${url} # of the shop
    backups:
      - name: nightly
        kind: snapshot
`;

class Shop implements AsyncDisposable {
  readonly live: FreshDatabase;
  readonly folder: string;
  readonly #owned: AsyncDisposableStack;

  constructor(live: FreshDatabase, folder: string, owned: AsyncDisposableStack) {
    this.live = live;
    this.folder = folder;
    this.#owned = owned;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  async run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const env = {
      HOME: join(this.folder, "home"),
      XDG_CONFIG_HOME: "",
      HANDLED_IDENTITY: "",
      ...options.env,
    };
    // With an option before the command's name the suite's own recipients are not added.
    return await runCli(["--config", this.strategy, ...args], { ...options, env });
  }

  async done(args: readonly string[], options: CliOptions = {}): Promise<Record<string, unknown>> {
    const result = await this.run([...args, "--json"], options);
    expect(result.code, result.stderr).toBe(0);
    return jsonOf(result);
  }

  async restored(identity: string): Promise<void> {
    await using restored = expectedDatabase(uniqueName());
    const args = ["restore", "shop", "latest", "--new-database", restored.name, "--identity", identity];
    await this.done(args);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(this.live.url));
  }

  async sealedFiles(): Promise<{ readonly path: string; readonly key: string; readonly secret: boolean }[]> {
    const root = `${join(this.folder, "repository")}/`;
    const all = await readdir(root, { recursive: true, withFileTypes: true });
    return all
      .filter((one) => one.isFile())
      .map((one) => join(one.parentPath, one.name))
      .map((path) => ({
        path,
        key: path.slice(root.length),
        secret: sealClassOf(path.slice(root.length)) === "secret",
      }))
      .filter(({ key }) => sealClassOf(key) !== "plain" || key.startsWith("system/"));
  }

  get strategy(): string {
    return join(this.folder, "handled.yaml");
  }

  async rewrite(change: (text: string) => string): Promise<void> {
    await writeFile(this.strategy, change(await readFile(this.strategy, "utf8")));
  }
}

async function shopWithStrategy(): Promise<Shop> {
  const owned = new AsyncDisposableStack();
  const live = owned.use(
    await freshDatabase({
      sql: "create table t as select g as id, md5(g::text) as pad from generate_series(1, 20000) g",
    }),
  );
  const folder = owned.use(await temporaryFolder()).path;
  await writeFile(join(folder, "handled.yaml"), STRATEGY(live.url), { mode: 0o600 });
  return new Shop(live, folder, owned);
}

// More than is held whole when it is sealed anew, however well it is compressed.
const MORE_ROWS =
  "insert into t select g, encode(sha256(g::text::bytea), 'hex') from generate_series(1, 30000) g";

function recipientIn(file: string): string {
  return execFileSync("age-keygen", ["-y", file]).toString().trim();
}

function opens(identity: string, file: string): boolean {
  try {
    execFileSync("age", ["-d", "-i", identity, "-o", "/dev/null", file], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const payloadOf = async (path: string): Promise<Buffer> => (await readFile(path)).subarray(1024);

describe("key new", () => {
  test("shows the identity once, and writes only the recipient into the strategy, comments and all", async () => {
    await using shop = await shopWithStrategy();
    const made = await shop.run(["key", "new"]);
    expect(made.code, made.stderr).toBe(0);
    const identity = /^AGE-SECRET-KEY-1[A-Z0-9]+$/m.exec(made.stdout)?.[0] ?? "none";
    const recipient = /age1[a-z0-9]{58}/.exec(made.stdout)?.[0] ?? "none";
    const text = await readFile(shop.strategy, "utf8");
    expect(text).toContain(recipient);
    expect(text).not.toContain(identity);
    expect(made.stderr).not.toContain(identity);
    for (const kept of ["# The strategy of a small shop.", "# the disk in the cellar", "# of the shop"])
      expect(text).toContain(kept);
    expect((await stat(shop.strategy)).mode & 0o777).toBe(0o600);
    expect((await shop.run(["config", "check"])).code).toBe(0);
    const file = join(shop.folder, "identity");
    await writeFile(file, `${identity}\n`, { mode: 0o600 });
    await shop.done(["backup"]);
    await shop.restored(file);
  });

  test("for one of a database's places alone is refused, and changes nothing", async () => {
    await using folder = await temporaryFolder();
    const text = `version: 1
repositories: { near: { url: ./near }, far: { url: ./far } }
databases: { shop: { url: "postgresql:///shop", repositories: [near, far] } }
`;
    await writeFile(join(folder.path, "handled.yaml"), text);
    const args = ["key", "new", "--file", join(folder.path, "identity"), "--only"];
    const alone = await runCli([...args, "near"], { cwd: folder.path });
    expect(alone.code).toBe(2);
    expect(alone.stderr).toContain("shop is kept in far as well");
    expect(await readdir(folder.path)).toEqual(["handled.yaml"]);
    expect(await readFile(join(folder.path, "handled.yaml"), "utf8")).toBe(text);
    const both = await runCli([...args, "near", "--only", "far"], { cwd: folder.path });
    expect(both.code, both.stderr).toBe(0);
    expect((await runCli(["config", "check"], { cwd: folder.path })).code).toBe(0);
  });

  test("writes it to a file that only its owner reads, and never over another", async () => {
    await using shop = await shopWithStrategy();
    const file = join(shop.folder, "identity");
    const made = await shop.done(["key", "new", "--file", file]);
    expect(made).toMatchObject({ identity: null, file, repositories: ["local"] });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const again = await shop.run(["key", "new", "--file", file]);
    expect(again.code).toBe(2);
    expect((await readFile(shop.strategy, "utf8")).match(/age1/g)).toHaveLength(1);
  });
});

test("config check finds a recipient that is mistyped, and one that is an identity", async () => {
  await using shop = await shopWithStrategy();
  const { recipient } = await shop.done(["key", "new"]);
  const typo = String(recipient).replace(/.$/, (last) => (last === "q" ? "p" : "q"));
  await shop.rewrite((text) => text.replace(String(recipient), typo));
  const result = await shop.run(["config", "check"]);
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/recipients.*checksum/s);
});

describe("key rewrap", () => {
  test("adds a recipient to everything that exists: payloads stay, both open all, backups go on", async () => {
    await using shop = await shopWithStrategy();
    const [one, two] = [join(shop.folder, "one"), join(shop.folder, "two")];
    await shop.done(["key", "new", "--file", one]);
    await shop.live.query(MORE_ROWS);
    await shop.done(["backup"]);
    await shop.done(["backup", "--kind", "archive"]);
    expect((await shop.run(["status"])).code).toBe(0);
    await shop.done(["key", "new", "--file", two]);
    const refused = await shop.run(["backup"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("key rewrap");
    const status = await shop.run(["status"]);
    expect(status.code).toBe(4);
    expect(status.stdout).toMatch(/the next backup will fail.*other recipients.*\n.*key rewrap/);
    const before = new Map<string, Buffer>();
    for (const { key, path } of await shop.sealedFiles()) before.set(key, await payloadOf(path));

    const withoutKey = await shop.run(["key", "rewrap"]);
    expect(withoutKey.code, withoutKey.stderr).toBe(12);
    // A long object takes the place of the old one only when all of it is there.
    const observer = (phase: "before" | "after", operation: string): void => {
      if (operation.startsWith("storage replace ")) throw new Error(`killed ${phase} ${operation}`);
    };
    expect((await shop.run(["key", "rewrap", "--identity", one], { observer })).code).not.toBe(0);
    for (const { path, key } of await shop.sealedFiles()) expect(opens(one, path), key).toBe(true);
    const report = await shop.done(["key", "rewrap", "--identity", one]);
    const named = await readFile(join(shop.folder, "repository/repository.json"), "utf8");
    // Of the run that was killed a naming key stays that nothing names.
    const sealed = (await shop.sealedFiles()).filter(
      ({ key }) => !key.startsWith("system/naming-") || named.includes(key),
    );
    expect(report["objects"]).toBe(sealed.length);
    expect((await shop.run(["status"])).code).toBe(0);
    const host = join(shop.folder, "home/.config/handled/host.key");
    for (const { key, path, secret } of sealed) {
      if (!key.startsWith("system/naming-"))
        expect((await payloadOf(path)).equals(before.get(key) ?? Buffer.alloc(0))).toBe(true);
      expect([opens(one, path), opens(two, path), opens(host, path)], key).toEqual([true, true, !secret]);
    }
    // Too long to be held whole.
    expect(Math.max(...[...before.values()].map(({ length }) => length))).toBeGreaterThan(1024 ** 2);
    await shop.restored(two);
    const next = await shop.done(["backup"]);
    const shown = await shop.done(["show", String(next["id"])]);
    expect(shown["snapshot"]).toMatchObject({ newParts: 0, fullRead: null });
    const proof = await shop.run(["verify", "shop", "--identity", two]);
    expect(proof.code, proof.stderr).toBe(0);
  });

  test("that dies anywhere leaves every backup readable; until it is done snapshots take nothing over", async () => {
    await using shop = await shopWithStrategy();
    const [one, two] = [join(shop.folder, "one"), join(shop.folder, "two")];
    await shop.done(["key", "new", "--file", one]);
    await shop.done(["backup"]);
    await shop.done(["key", "new", "--file", two]);
    let seen = 0;
    for (let at = 1; ; at += 3) {
      seen = 0;
      const observer = (phase: "before" | "after", operation: string): void => {
        if (/storage (put|delete) /.test(operation) && ++seen === at)
          throw new Error(`killed ${phase} ${operation}`);
      };
      const result = await shop.run(["key", "rewrap", "--identity", one], { observer });
      for (const { path, key } of await shop.sealedFiles()) expect(opens(one, path), key).toBe(true);
      if (result.code === 0) break;
      expect((await shop.run(["list", "shop", "--identity", one])).code).toBe(0);
      if (at === 10) {
        const { id } = await shop.done(["backup"]);
        const shown = await shop.done(["show", String(id)]);
        expect(shown["snapshot"]).toMatchObject({ fullRead: expect.stringContaining("not sealed to all") });
      }
    }
    await shop.restored(one);
    await shop.restored(two);
    for (const { path, key } of await shop.sealedFiles())
      if (!key.startsWith("system/")) expect(opens(two, path), key).toBe(true);
  });

  test("lets a new host go on when the old one and its key are lost", async () => {
    await using shop = await shopWithStrategy();
    const one = join(shop.folder, "one");
    await shop.done(["key", "new", "--file", one]);
    await shop.done(["backup"]);
    const host = join(shop.folder, "home/.config/handled/host.key");
    const lost = join(shop.folder, "lost");
    await rename(host, lost);
    const refused = await shop.run(["backup"]);
    expect(refused.code).toBe(12);
    // Where the key was looked for, and both ways out.
    for (const words of [`there is no ${host}`, "--identity FILE", "handled key rewrap"])
      expect(refused.stderr).toContain(words);
    await shop.done(["key", "rewrap", "--identity", one]);
    await shop.done(["backup"]);
    const [repository] = (await shop.done(["key", "show"]))["repositories"] as Record<string, unknown>[];
    expect(repository).toMatchObject({ hosts: [recipientIn(lost), recipientIn(host)], mixed: false });

    const own = await shop.run(["key", "rewrap", "--identity", one, "--without-host", recipientIn(host)]);
    expect([own.code, own.stderr]).toEqual([2, expect.stringContaining("this host's own key")]);
    const without = ["key", "rewrap", "--identity", one, "--without-host", recipientIn(lost)];
    // Also when it is gone already: what was cut off can be repeated.
    for (const _time of [1, 2])
      expect(await shop.done(without)).toMatchObject({ hosts: [recipientIn(host)] });
    for (const { path, key, secret } of await shop.sealedFiles())
      expect([opens(lost, path), opens(host, path)], key).toEqual([false, !secret]);
    await rename(lost, host);
    const stranger = await shop.run(["backup"]);
    expect(stranger.code).toBe(12);
    expect(stranger.stderr).toContain(`other hosts than this one, whose key is ${host}`);
  });
});

test("an identity that a passphrase protects asks for it; a wrong one is refused with 12", async () => {
  await using shop = await shopWithStrategy();
  const one = join(shop.folder, "one");
  await shop.done(["key", "new", "--file", one]);
  await shop.done(["backup"]);
  const safe = join(shop.folder, "safe.age");
  await writeFile(safe, protectedBy("correct horse", await readFile(one)));
  const list = ["verify", "shop", "--level", "integrity", "--identity", safe];
  const none = await shop.run(list);
  expect([none.code, none.stderr]).toEqual([12, expect.stringContaining("HANDLED_PASSPHRASE")]);
  const wrong = await shop.run(list, { env: { HANDLED_PASSPHRASE: "wrong horse" } });
  expect([wrong.code, wrong.stderr]).toEqual([12, expect.not.stringContaining("wrong horse")]);
  const right = await shop.run(list, { env: { HANDLED_PASSPHRASE: "correct horse" } });
  expect(right.code, right.stderr).toBe(0);
});

/** As `age -p`, but with less work. */
function protectedBy(passphrase: string, text: Buffer): Buffer {
  const [salt, fileKey] = [randomBytes(16), randomBytes(16)];
  const key = scryptSync(passphrase, Buffer.concat([Buffer.from("age-encryption.org/v1/scrypt"), salt]), 32, {
    N: 1024,
    r: 8,
    p: 1,
  });
  const cipher = createCipheriv("chacha20-poly1305", key, Buffer.alloc(12), { authTagLength: 16 });
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  const words = ["scrypt", salt.toString("base64").replaceAll("=", ""), "10"];
  const sealer = new PayloadSealer(fileKey);
  return Buffer.concat([
    encodeHeader(fileKey, [], [{ words, body }]),
    ...sealer.update(text),
    ...sealer.end(),
  ]);
}
