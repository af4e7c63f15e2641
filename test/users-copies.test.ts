import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openAccess } from "../src/access/access.ts";
import { keepUsers, readKeptUsers, takeUsers } from "../src/access/users-copies.ts";
import { macOf, UsersFile } from "../src/access/users-file.ts";
import { UsersJson } from "../src/api/contract/access.ts";
import { AuditLogJson } from "../src/json/audit.ts";
import { KeyRing } from "../src/lib/key-ring.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { auditKey, usersKey } from "../src/repository/layout.ts";
import { openOrCreateRepository, openRepository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import { hashPassword, type PasswordHash } from "../src/access/passwords.ts";
import { keepAudit } from "../src/access/audit-copies.ts";
import { cliEnvironment, jsonOf, runCli } from "./support/cli.ts";
import { identityIn } from "./support/keys.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

const PASSWORD = "correct horse battery staple";
const signal = new AbortController().signal;

let live: FreshDatabase;
let hash: PasswordHash;
beforeAll(async () => {
  [live, hash] = await Promise.all([
    freshDatabase({ sql: "create table item as select generate_series(1, 10) as id" }),
    hashPassword(PASSWORD),
  ]);
});
afterAll(async () => await live[Symbol.asyncDispose]());

// A busy machine takes its time.
const SOON = { timeout: 60_000 };

/** A machine with a backup and users, its daemon, and one that has nothing. */
async function openSite(isSealed: boolean) {
  const there = await temporaryFolder();
  const identity = identityIn(there.path);
  const place = join(there.path, "backups");
  const machine = async (name: string) => {
    const folder = join(there.path, name);
    await mkdir(folder);
    const env = {
      HOME: folder,
      XDG_STATE_HOME: join(folder, "state"),
      XDG_CONFIG_HOME: join(folder, "config"),
    };
    const run = async (args: readonly string[], more: Record<string, string> = {}) =>
      await runCli(args, { cwd: folder, env: { ...env, ...more } });
    return { folder, env, run };
  };
  const [old, bare] = [await machine("old"), await machine("bare")];
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: { local: { url: "../backups", ...(isSealed ? { recipients: [identity.recipient] } : {}) } },
    databases: { data: { url: "${DATA_URL}", backups: [{ name: "nightly", kind: "snapshot" }] } },
  };
  await writeFile(join(old.folder, "handled.yaml"), JSON.stringify(strategy));
  const taken = await old.run(["backup"], { DATA_URL: live.url, HANDLED_IDENTITY: identity.file });
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const secret = join(there.path, "secret");
  await writeFile(secret, PASSWORD);
  const add = async (name: string, role: string): Promise<void> => {
    const added = await old.run(["user", "add", name, "--role", role, "--password-file", secret]);
    expect(added, added.stderr).toMatchObject({ code: 0 });
  };
  await add("ada", "admin");
  await add("bob", "viewer");
  const back = `${live.name}_${isSealed ? "sealed" : "plain"}`;
  const recover = [
    "recover",
    "everything-lost",
    "--repository",
    place,
    "--to",
    `data=${clusterUrl(back)}`,
    "--yes",
  ];
  return {
    old,
    bare,
    place,
    identity: identity.file,
    secret,
    recover: isSealed ? [...recover, "--identity", identity.file] : recover,
    logged: async () => {
      const names = await readdir(join(place, "system/audit"), { recursive: true }).catch(() => []);
      return names.filter((name) => name.endsWith(".json")).length;
    },
    // Not what is only being written.
    kept: async () =>
      (await readdir(join(place, "system/users")).catch(() => [])).filter((name) => !name.endsWith(".tmp")),
    serve: ({ folder, env }: typeof old) => serve(folder, { env: { ...env, DATA_URL: live.url } }),
    [Symbol.asyncDispose]: async () => {
      await runSql(clusterUrl(), `drop database if exists "${back}" with (force)`);
      await there[Symbol.asyncDispose]();
    },
  };
}

async function urlOf(daemon: Served): Promise<string> {
  return await daemon.url();
}

async function signIn(url: string, name: string, password = PASSWORD): Promise<Response> {
  return await fetch(`${url}/api/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name, password }),
  });
}

test("a machine is gone: on a bare one the users of a sealed repository sign in as before, and the audit log goes on", async () => {
  await using site = await openSite(true);
  const { old, bare } = site;
  const token = jsonOf(
    await old.run(["user", "token", "ada", "--label", "cron", "--role", "admin", "--json"]),
  );
  const changed = async (): Promise<string> =>
    await readFile(join(site.place, "system/users", (await site.kept())[0] ?? ""), "latin1");
  {
    await using daemon = site.serve(old);
    expect((await signIn(await urlOf(daemon), "ada")).status).toBe(200);
    await expect.poll(site.kept, SOON).toHaveLength(1);
    const first = await changed();
    expect(first).not.toContain("argon2id");
    await daemon.looked();
    expect(await changed()).toBe(first);
    // What is changed beside the daemon is brought there, too.
    expect(await old.run(["user", "role", "bob", "--role", "operator"])).toMatchObject({ code: 0 });
    daemon.signal("SIGHUP");
    await expect.poll(changed, SOON).not.toBe(first);
    const audit = async () => (await readdir(join(site.place, "system/audit"), { recursive: true })).length;
    await expect.poll(audit, SOON).toBe(6);
    expect(await daemon.stop("SIGTERM")).toBe(0);
  }
  await rm(old.folder, { recursive: true });

  const done = await bare.run(site.recover);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("ada admin, bob operator");
  // Its daemon has a key of its own from then on.
  const rewrapped = await bare.run(["key", "rewrap", "--identity", site.identity]);
  expect(rewrapped, rewrapped.stderr).toMatchObject({ code: 0 });
  await using daemon = site.serve(bare);
  const url = await urlOf(daemon);
  const session = await signIn(url, "ada");
  expect(session.status).toBe(200);
  const headers = { cookie: session.headers.get("set-cookie")?.split(";")[0] ?? "" };
  const users = UsersJson.parse(await (await fetch(`${url}/api/users`, { headers })).json()).users;
  expect(users.map(({ name, role }) => [name, role])).toEqual([
    ["ada", "admin"],
    ["bob", "operator"],
  ]);
  expect((await signIn(url, "bob", "another password")).status).toBe(401);
  // What let programs in is gone with the machine.
  const asToken = { authorization: `Bearer ${String(token["secret"])}` };
  expect((await fetch(`${url}/api/users`, { headers: asToken })).status).toBe(401);
  const lines = daemon.all().map(({ event }) => event);
  expect(lines).not.toContain("set up");
  const log = AuditLogJson.parse(jsonOf(await bare.run(["audit", "--verify", "--json"])));
  expect(log.entries.map(({ what }) => what).toReversed()).toEqual([
    "user added",
    "user added",
    "token made",
    "signed in",
    "user changed",
    "users taken back",
    "signed in",
    "sign-in refused",
  ]);
  expect(log.broken).toBeNull();
  expect(log.places[0]).toMatchObject({ others: [], error: null });
  // There is one place for them, as before.
  daemon.signal("SIGHUP");
  await daemon.looked();
  expect(await site.kept()).toHaveLength(1);
  expect(await daemon.stop("SIGTERM")).toBe(0);
});

test("from a repository that is not encrypted nobody comes back silently, and nothing in it lets anybody in", async () => {
  await using site = await openSite(false);
  const { old, bare } = site;
  {
    await using daemon = site.serve(old);
    await expect.poll(site.logged, SOON).toBe(2);
    expect(await daemon.stop("SIGTERM")).toBe(0);
  }
  const path = join(site.place, "system/users", (await site.kept())[0] ?? "");
  const kept = await readFile(path, "utf8");
  expect(kept).not.toContain("argon2id");
  await rm(old.folder, { recursive: true });
  // Whoever can write there puts in a user with a password of their own.
  const forged = UsersFile.parse(JSON.parse(kept));
  const [ada] = forged.users;
  if (ada === undefined) throw new Error("no user");
  forged.users.push({ ...ada, name: "mallory", password: hash });
  await writeFile(path, JSON.stringify(forged));

  const done = await bare.run(site.recover);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("is not encrypted: whoever can write there");
  expect((await bare.run(["user", "list"])).stdout).toContain("nobody can sign in yet");
  await using daemon = site.serve(bare);
  const url = await urlOf(daemon);
  await daemon.events("set up", 1);
  const asked = await bare.run(["user", "restore", "--from", "local"]);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(/mallory +admin/);
  expect((await bare.run(["user", "list"])).stdout).toContain("nobody can sign in yet");
  const restored = await bare.run(["user", "restore", "--from", "local", "--yes", "--json"]);
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  expect(restored.stderr).toContain("handled user password ada");
  expect(UsersJson.parse(jsonOf(restored)).users.map(({ name }) => name)).toEqual(["ada", "bob", "mallory"]);
  for (const name of ["ada", "mallory"]) expect((await signIn(url, name)).status).toBe(401);
  await bare.run(["user", "password", "ada", "--password-file", site.secret]);
  expect((await signIn(url, "ada")).status).toBe(200);
  const again = await bare.run(["user", "restore", "--from", "local", "--yes"]);
  expect([again.code, again.stderr]).toEqual([
    2,
    expect.stringContaining("there are users here already") as string,
  ]);
  const log = AuditLogJson.parse(jsonOf(await bare.run(["audit", "--verify", "--json"])));
  expect(log.entries.at(-1)).toMatchObject({
    what: "users taken back",
    subject: expect.stringContaining("mallory admin") as string,
  });
  expect(log.places[0]?.others).toMatchObject([{ entries: 2, broken: null }]);
  const lost = join(site.place, auditKey(log.places[0]?.others[0]?.chain ?? "", 2));
  await writeFile(lost, (await readFile(lost, "utf8")).replace("viewer", "admin"));
  const verified = await bare.run(["audit", "--verify"]);
  expect([verified.code, verified.stderr]).toEqual([
    4,
    expect.stringContaining("entry 2 was changed") as string,
  ]);
  expect(await daemon.stop("SIGTERM")).toBe(0);
});

/** A sealed repository in memory that a machine has brought its users to. */
async function sealedRepository() {
  const folder = await temporaryFolder();
  const identity = identityIn(folder.path);
  const env = cliEnvironment({
    XDG_STATE_HOME: join(folder.path, "state"),
    XDG_CONFIG_HOME: join(folder.path, "config"),
  });
  const keys = new KeyRing([identity.file], async (file) => await readFile(file, "utf8"));
  const runtime = makeRuntime({ env, keys });
  const inner = memoryStorage();
  keys.want(inner.place, { recipients: [identity.recipient], hostKeyFile: undefined });
  await openOrCreateRepository(runtime, inner, signal);
  const repository = await openRepository(runtime, inner, signal);
  const access = await openAccess(runtime, join(folder.path, "old.yaml"));
  access.users.add({ name: "ada", role: "admin", password: hash });
  access.users.add({ name: "eve", role: "viewer", password: null });
  access.identities.bind("https://id.example.com", "1234", "eve");
  const act = (what: string) => access.audit.append({ who: "ada", what, subject: "", source: "127.0.0.1" });
  act("user added");
  const keep = async () => await keepUsers(repository, access, "2026-01-01T00:00:00.000Z", signal);
  expect(await keep()).toBe("written");
  await keepAudit(repository.storage, access.audit, signal);
  const key = usersKey(access.audit.chain());
  return {
    access,
    act,
    keep,
    key,
    repository,
    inner,
    keepAudit: async () => await keepAudit(repository.storage, access.audit, signal),
    read: async () => await readKeptUsers(repository, signal),
    file: async () => UsersFile.parse(JSON.parse(String(await repository.storage.get(key, signal)))),
    put: async (file: UsersFile) =>
      await repository.storage.put(key, Buffer.from(JSON.stringify(file)), signal),
    fresh: async () => await openAccess(runtime, join(folder.path, "new.yaml")),
    [Symbol.asyncDispose]: async () => {
      access[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("who another service knows comes back as the same; users are written only when they changed", async () => {
  await using site = await sealedRepository();
  expect(await site.keep()).toBe("unchanged");
  const [kept] = await site.read();
  if (kept === undefined) throw new Error("none kept");
  expect(kept.doubts).toEqual([]);
  using fresh = await site.fresh();
  expect(await takeUsers(fresh, kept, { who: "root", source: "here" })).toEqual({
    withoutPassword: [],
    goesOn: true,
  });
  const comes = { issuer: "https://id.example.com", subject: "1234", name: "changed", role: undefined };
  expect(fresh.identities.signIn(comes).user.name).toBe("eve");
  expect((await fresh.users.check("ada", PASSWORD))?.role).toBe("admin");
  expect(fresh.audit.chain()).toBe(site.access.audit.chain());
  await expect(takeUsers(fresh, kept, { who: "root", source: "here" })).rejects.toMatchObject({
    code: "user_exists",
  });
});

test("what was sealed by somebody without the repository's key is refused; an old state is doubted", async () => {
  await using site = await sealedRepository();
  const sound = await site.file();
  const [ada] = sound.users;
  if (ada === undefined) throw new Error("no user");
  const users = [...sound.users, { ...ada, name: "mallory" }];
  for (const mac of [sound.mac, null, macOf({ ...sound, users }, "00".repeat(32)), "00".repeat(32)]) {
    await site.put({ ...sound, users, mac });
    await expect(site.read()).rejects.toMatchObject({ code: "backup_damaged" });
  }
  // Its daemon finds that, and puts it right.
  expect(await site.keep()).toBe("replaced");
  expect(await site.file()).toEqual(sound);
  await site.repository.storage.delete(site.key, signal);
  expect(await site.keep()).toBe("written");
  const before = await site.inner.get(site.key, signal);
  site.access.users.setRole("ada", "admin");
  site.access.users.remove("eve");
  site.act("user removed");
  expect(await site.keep()).toBe("written");
  await site.keepAudit();
  expect((await site.read())[0]?.doubts).toEqual([]);
  await site.inner.put(site.key, before, signal);
  const [old] = await site.read();
  expect(old?.doubts).toEqual([expect.stringContaining("1 later changes of users") as string]);
  if (old === undefined) throw new Error("none kept");
  // Whoever takes them all the same gets a log of their own.
  using fresh = await site.fresh();
  expect(await takeUsers(fresh, old, { who: "root", source: "here" })).toMatchObject({ goesOn: false });
  expect(fresh.audit.chain()).not.toBe(site.access.audit.chain());
  await site.repository.storage.delete(auditKey(site.access.audit.chain(), 1), signal);
  expect((await site.read())[0]?.doubts).toEqual([expect.stringContaining("broken") as string]);
});
