import { writeFile } from "node:fs/promises";
import { request } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openAccess } from "../src/access/access.ts";
import { accessFile } from "../src/access/access-database.ts";
import { mayAs, ROLES, type Role } from "../src/access/roles.ts";
import { ACCESS_ROUTES, MadeTokenJson, TokensJson, UsersJson } from "../src/api/contract/access.ts";
import { JOB_ROUTES } from "../src/api/contract/job-routes.ts";
import { OIDC_ROUTES } from "../src/api/contract/oidc.ts";
import { ROUTES } from "../src/api/contract/routes.ts";
import { AuditLogJson } from "../src/json/audit.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { asUser, PASSWORD } from "./support/api-access.ts";
import { cliEnvironment, jsonOf, runCli } from "./support/cli.ts";
import { temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

interface Route {
  readonly method?: string;
  readonly path: string;
  readonly role: Role | "public";
}

const ALL: readonly Route[] = [ROUTES, JOB_ROUTES, ACCESS_ROUTES, OIDC_ROUTES].flatMap((routes) =>
  Object.values<Route>(routes),
);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let daemon: Served;
let url: string;
let link: URL;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases: { data: { url: "postgresql://127.0.0.1:1/none", repository: local } }
`,
  );
  daemon = serve(folder.path);
  url = await daemon.url();
  const [invited] = await daemon.events("set up", 1);
  link = new URL(/http:\S+/.exec(invited?.message ?? "")?.[0] ?? "");
});
afterAll(async () => {
  await daemon.stop("SIGTERM");
  await folder[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly cookie: string | undefined;
  readonly body: { readonly error?: { readonly code: string; readonly message: string } } & Record<
    string,
    unknown
  >;
}

/** Sends exactly this, which `fetch` would not: it keeps a page from writing some headers. */
async function ask(
  method: string,
  path: string,
  { headers = {}, body }: { readonly headers?: Record<string, string>; readonly body?: unknown } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { hostname, port } = new URL(url);
  const sent = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const all = { ...(sent === undefined ? {} : { "content-type": "application/json" }), ...headers };
  const asked = request({ host: hostname, port, path, method, headers: all, agent: false }, (answer) => {
    text(answer).then((said) => {
      const [cookie] = answer.headers["set-cookie"] ?? [];
      // The runbook is a page.
      const parsed = said.startsWith("{") ? (JSON.parse(said) as Answer["body"]) : {};
      resolve({ status: answer.statusCode ?? 0, cookie, body: parsed });
    }, reject);
  });
  asked.once("error", reject);
  asked.end(sent);
  return await promise;
}

const codeOf = ({ status, body }: Answer): [number, string | undefined] => [status, body.error?.code];

/** Signs in. @returns the header with the cookie */
async function signIn(name: string, password = PASSWORD): Promise<{ cookie: string }> {
  const answer = await ask("POST", "/api/session", { body: { name, password } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return { cookie: answer.cookie?.split(";")[0] ?? "" };
}

describe("who may ask", () => {
  test("the first start prints a link, which makes one admin and is no longer good", async () => {
    expect(link.pathname).toBe("/set-up");
    const token = link.hash.slice(1);
    const ada = { name: "ada", password: PASSWORD };
    expect(codeOf(await ask("POST", "/api/set-up", { body: { ...ada, token: "x".repeat(43) } }))).toEqual([
      403,
      "not_allowed",
    ]);
    expect(codeOf(await ask("POST", "/api/set-up", { body: { ...ada, token, password: "short" } }))).toEqual([
      400,
      "usage",
    ]);
    const made = await ask("POST", "/api/set-up", { body: { ...ada, token } });
    expect(made.body).toMatchObject({ user: { name: "ada", role: "admin" } });
    expect(made.cookie).toMatch(/^handled_session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await ask("POST", "/api/set-up", { body: { ...ada, name: "eve", token } })).status).toBe(403);
    const headers = { cookie: made.cookie?.split(";")[0] ?? "" };
    expect((await ask("GET", "/api/databases", { headers })).status).toBe(200);
  });

  test.each(ALL.map((route) => [`${route.method ?? "GET"} ${route.path}`, route] as const))(
    "%s: nobody without a session, and no lesser role",
    async (_, { method = "GET", path, role }) => {
      const address = path.replace(/:\w+/g, "none");
      const strangers = [
        {},
        { cookie: `handled_session=${"A".repeat(43)}` },
        { authorization: `Bearer hnd_${"A".repeat(43)}` },
      ];
      for (const headers of strangers) {
        const answer = await ask(method, address, { headers });
        if (role === "public") expect(answer.body.error?.code).not.toBe("not_allowed");
        else expect(codeOf(answer)).toEqual([401, "not_signed_in"]);
      }
      for (const each of ROLES) {
        const answer = await ask(method, address, { headers: await tokenOf(each) });
        if (role === "public" || mayAs(each, role))
          expect(answer.body.error?.code ?? "").not.toMatch(/^not_/);
        else expect(codeOf(answer)).toEqual([403, "not_allowed"]);
      }
    },
  );

  test("a page that is not there is told to those who may look", async () => {
    expect(codeOf(await ask("GET", "/api/none"))).toEqual([401, "not_signed_in"]);
    expect(codeOf(await ask("GET", "/api/none", { headers: await tokenOf("viewer") }))).toEqual([
      404,
      "page_missing",
    ]);
  });

  test("another site can have nothing done, though the browser sends the cookie along", async () => {
    const session = await signIn("ada");
    const body = { label: "x", role: "admin" };
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
    ]) {
      expect(codeOf(await ask("POST", "/api/tokens", { headers: { ...session, ...headers }, body }))).toEqual(
        [403, "host_refused"],
      );
    }
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ]) {
      const headers = { ...session, "content-type": type };
      expect((await ask("POST", "/api/tokens", { headers, body })).status).toBeGreaterThanOrEqual(400);
    }
    const tokens = await ask("GET", "/api/tokens", { headers: session });
    expect(JSON.stringify(tokens.body)).not.toContain('"x"');
  });

  test("guessing gets slow, and says nothing about who is there", async () => {
    const wrong = async (name: string) =>
      codeOf(await ask("POST", "/api/session", { body: { name, password: "not the right one" } }));
    expect(await wrong("nobody")).toEqual(await wrong("ada"));
    const codes = [];
    for (let i = 0; i < 6; i++) codes.push((await wrong("ada"))[1]);
    expect(codes).toContain("too_many_tries");
    // Even the right one has to wait.
    const right = await ask("POST", "/api/session", { body: { name: "ada", password: PASSWORD } });
    expect(codeOf(right)).toEqual([429, "too_many_tries"]);
  });

  test("what is dangerous takes the name and the password again, and a token that was made for it", async () => {
    const body = { name: "bob", role: "viewer", password: PASSWORD };
    const admin = await tokenOf("admin");
    expect(
      codeOf(await ask("POST", "/api/users", { headers: admin, body: { ...body, confirm: { name: "bo" } } })),
    ).toEqual([409, "not_confirmed"]);
    const harmless = await asUser(folder.path, "admin", { dangerous: false });
    expect(
      codeOf(
        await ask("POST", "/api/users", { headers: harmless, body: { ...body, confirm: { name: "bob" } } }),
      ),
    ).toEqual([403, "not_allowed"]);
    expect(
      (await ask("POST", "/api/users", { headers: admin, body: { ...body, confirm: { name: "bob" } } }))
        .status,
    ).toBe(200);
    const made = await ask("POST", "/api/tokens", { headers: admin, body: { label: "more", role: "admin" } });
    expect(codeOf(made)).toEqual([403, "not_allowed"]);
  });

  test("a role that was taken away, a user who was removed and a token that was revoked open nothing", async () => {
    using access = await openAccess(
      makeRuntime({ env: cliEnvironment() }),
      join(folder.path, "handled.yaml"),
    );
    access.users.add({ name: "carl", role: "admin", password: null });
    const { token, secret } = access.tokens.make(access.users.require("carl"), {
      label: "t",
      role: "admin",
      dangerous: false,
      days: 1,
    });
    const headers = { authorization: `Bearer ${secret}` };
    expect((await ask("GET", "/api/users", { headers })).status).toBe(200);
    access.users.setRole("carl", "viewer");
    expect((await ask("GET", "/api/users", { headers })).status).toBe(403);
    access.tokens.revoke(token.id);
    expect((await ask("GET", "/api/databases", { headers })).status).toBe(401);
    const again = access.tokens.make(access.users.require("carl"), {
      label: "t",
      role: "viewer",
      dangerous: false,
      days: 1,
    });
    access.users.remove("carl");
    expect(
      (await ask("GET", "/api/databases", { headers: { authorization: `Bearer ${again.secret}` } })).status,
    ).toBe(401);
  });

  test("everything that was done stands in the audit log, at a terminal, too, and a change of it is found", async () => {
    const { body } = await ask("GET", "/api/audit", { headers: await tokenOf("admin") });
    const { entries } = body as unknown as { entries: { who: string; what: string; source: string }[] };
    expect(entries.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["set up", "signed in", "sign-in refused", "user added"]),
    );
    expect(entries.every(({ source }) => source === "127.0.0.1")).toBe(true);
    const admin = await tokenOf("admin");
    const some = await ask("GET", "/api/audit?who=ADA&what=signed&last=1", { headers: admin });
    expect(some.body).toMatchObject({ entries: [{ who: "ada", what: "signed in" }] });
    const check = async () => (await ask("GET", "/api/audit/check", { headers: admin })).body;
    expect(await check()).toMatchObject({ broken: null });
    const secretFile = join(folder.path, "secret");
    await writeFile(secretFile, `${PASSWORD}\n`);
    const add = ["user", "add", "dora", "--role", "operator", "--json", "--password-file"];
    expect((await runCli([...add, "/dev/null"], { cwd: folder.path })).code).toBe(2);
    const added = await runCli([...add, secretFile], { cwd: folder.path });
    expect(UsersJson.parse(jsonOf(added)).users).toMatchObject([
      { name: "dora", role: "operator", hasPassword: true },
    ]);
    const token = await runCli(["user", "token", "dora", "--label", "cron", "--json"], { cwd: folder.path });
    const { secret } = MadeTokenJson.parse(jsonOf(token));
    expect(
      (await ask("GET", "/api/checklist", { headers: { authorization: `Bearer ${secret}` } })).status,
    ).toBe(200);
    const tokens = async (...args: string[]) =>
      TokensJson.parse(jsonOf(await runCli(["user", "token", ...args, "--json"], { cwd: folder.path })))
        .tokens;
    const [cron] = await tokens("list", "dora");
    expect(cron).toMatchObject({ user: "dora", label: "cron", role: "viewer" });
    expect((await tokens("list")).map(({ user }) => user)).toContain("admin");
    const listed = await runCli(["user", "token", "list"], { cwd: folder.path });
    expect(listed.stdout).toMatch(new RegExp(`${cron?.id} .*dora .*cron`));
    expect(listed.stdout).not.toContain(secret);
    expect(await tokens("revoke", cron?.id ?? "")).toEqual([]);
    expect(
      (await ask("GET", "/api/checklist", { headers: { authorization: `Bearer ${secret}` } })).status,
    ).toBe(401);
    const again = await runCli(["user", "token", "revoke", cron?.id ?? ""], { cwd: folder.path });
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("there is none") as string]);
    await runCli(["user", "remove", "dora", "--yes"], { cwd: folder.path });
    const log = async () =>
      AuditLogJson.parse(jsonOf(await runCli(["audit", "--json"], { cwd: folder.path })));
    const whole = await log();
    expect(whole.broken).toBeNull();
    expect(whole.entries.slice(0, 4).map(({ what }) => what)).toEqual([
      "user removed",
      "token revoked",
      "token made",
      "user added",
    ]);

    using database = new DatabaseSync(
      accessFile(makeRuntime({ env: cliEnvironment() }), join(folder.path, "handled.yaml")),
    );
    expect(() => database.exec("delete from audit")).toThrow("only added to");
    database.exec("drop trigger audit_keeps; update audit set who = 'nobody' where seq = 2");
    const changed = await runCli(["audit"], { cwd: folder.path });
    expect([changed.code, changed.stderr]).toEqual([
      4,
      expect.stringContaining("entry 2 was changed") as string,
    ]);
    expect(await check()).toEqual({ entries: 0, broken: "entry 2 was changed" });
  });
});

const made = new Map<Role, Promise<{ authorization: string }>>();

async function tokenOf(role: Role): Promise<{ authorization: string }> {
  const token = made.get(role) ?? asUser(folder.path, role);
  made.set(role, token);
  return { ...(await token) };
}
