import { execFileSync } from "node:child_process";
import { mkdir, rm, statfs, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { expect, test } from "vitest";
import { accessFile } from "../src/access/access-database.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { cliEnvironment, runCli } from "./support/cli.ts";
import { type MountedApi, mountedApi } from "./support/mounted-api.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const PASSWORD = "correct horse battery staple";

/** An admin who has signed in, and the file that says so. */
async function signedIn(api: MountedApi): Promise<{ headers: { cookie: string } }> {
  const body = { token: api.setUp.make(), name: "ada", password: PASSWORD };
  const { cookies } = await api.ask("/api/set-up", { method: "POST", body });
  return { headers: { cookie: cookies[0]?.split(";")[0] ?? "" } };
}

/** All that an admin can change of who may do what, and signing in and out. */
function everyChange(tokenId: string): [string, string, unknown][] {
  const confirm = (name: string) => ({ confirm: { name, password: PASSWORD } });
  return [
    ["POST", "/api/users", { name: "eve", role: "admin", password: PASSWORD, ...confirm("eve") }],
    ["PATCH", "/api/users/bob", { role: "admin", password: `${PASSWORD}!`, ...confirm("bob") }],
    ["DELETE", "/api/users/bob", confirm("bob")],
    ["POST", "/api/password", { password: PASSWORD, newPassword: `${PASSWORD}!` }],
    ["POST", "/api/tokens", { label: "new", role: "admin" }],
    ["DELETE", `/api/tokens/${tokenId}`, undefined],
    ["POST", "/api/session", { name: "ada", password: PASSWORD }],
    ["DELETE", "/api/session", undefined],
  ];
}

/** Everything that the file says but what nobody has done: when somebody was seen last. */
function contentsOf(path: string): unknown {
  using database = new DatabaseSync(path, { readOnly: true });
  return ["users", "sessions", "tokens", "audit"].map((table) =>
    database.prepare(`select * from ${table} order by 1`).all(),
  );
}

test("what the audit log cannot take down is not done", async () => {
  await using api = await mountedApi();
  const { headers } = await signedIn(api);
  api.access.users.add({ name: "bob", role: "viewer", password: null });
  const bob = api.access.users.require("bob");
  const { token } = api.access.tokens.make(bob, { label: "t", role: "viewer", dangerous: false, days: 1 });
  const path = api.file;
  {
    using database = new DatabaseSync(path);
    database.exec("create trigger full before insert on audit begin select raise(abort, 'no space'); end");
  }
  const before = contentsOf(path);
  for (const [method, address, body] of everyChange(token.id)) {
    const answer = await api.ask(address, { method, headers, body });
    expect([answer.status, answer.code], `${method} ${address}: ${answer.text}`).toEqual([
      503,
      "audit_unwritable",
    ]);
    expect(answer.cookies).toEqual([]);
    expect(contentsOf(path), `${method} ${address}`).toEqual(before);
  }
  {
    using database = new DatabaseSync(path);
    database.exec("drop trigger full");
  }
  // Each of them is one entry, and one change.
  const count = () => api.access.audit.list(1000, 1000).length;
  for (const [method, address, body] of everyChange(token.id).slice(0, 1)) {
    const entries = count();
    expect((await api.ask(address, { method, headers, body })).status).toBe(200);
    expect(count()).toBe(entries + 1);
  }
});

test("where the change cannot be made, the log does not say that it was", async () => {
  await using api = await mountedApi();
  const { headers } = await signedIn(api);
  const entries = api.access.audit.list(1000, 1000);
  const confirm = { name: "ada", password: PASSWORD };
  const only = await api.ask("/api/users/ada", { method: "DELETE", headers, body: { confirm } });
  expect([only.status, only.code], only.text).toEqual([409, "last_admin"]);
  expect(api.access.audit.list(1000, 1000)).toEqual(entries);
});

test("on a full disk, and in a file that nobody may write to, a user is not changed, and it is said why", async () => {
  await using there = await temporaryFolder();
  const state = join(there.path, "state");
  await mkdir(state);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", state]);
  await using mounted = new AsyncDisposableStack();
  mounted.defer(() => void execFileSync("umount", [state]));
  const strategy = join(there.path, "handled.yaml");
  await writeFile(strategy, "version: 1\n");
  const secret = join(there.path, "secret");
  await writeFile(secret, PASSWORD);
  const env = { XDG_STATE_HOME: state };
  const user = async (...args: string[]) => await runCli(["user", ...args], { cwd: there.path, env });
  const add = async (name: string) => await user("add", name, "--role", "admin", "--password-file", secret);
  expect(await add("ada")).toMatchObject({ code: 0 });
  expect(await add("bob")).toMatchObject({ code: 0 });
  const path = accessFile(makeRuntime({ env: cliEnvironment(env) }), strategy);
  const before = contentsOf(path);
  const { bavail, bsize } = await statfs(state);
  const filler = join(state, "filler");
  execFileSync("fallocate", ["--length", String(bavail * bsize), filler]);
  const full = await user("role", "bob", "--role", "viewer");
  expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/full/) as string]);
  await rm(filler);
  expect(contentsOf(path)).toEqual(before);
  execFileSync("mount", ["-o", "remount,ro", state]);
  const fixed = await user("role", "bob", "--role", "viewer");
  expect([fixed.code, fixed.stderr]).toEqual([
    1,
    expect.stringMatching(/read-?only|unable to open/i) as string,
  ]);
  execFileSync("mount", ["-o", "remount,rw", state]);
  expect(contentsOf(path)).toEqual(before);
  expect(await user("role", "bob", "--role", "viewer")).toMatchObject({ code: 0 });
});
