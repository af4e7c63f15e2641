import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hashPassword, type PasswordHash } from "../src/access/passwords.ts";
import { mayAs, ROLES, type Role } from "../src/access/roles.ts";
import { SESSION_COOKIE } from "../src/api/caller.ts";
import { ROLE_OF_KIND } from "../src/api/contract/job-routes.ts";
import { JOB_KINDS, type JobJson, type JobRequest } from "../src/api/contract/jobs.ts";
import { dashboardFrom } from "../src/api/dashboard.ts";
import { PASSWORD } from "./support/api-access.ts";
import { type MountedApi, mountedApi } from "./support/mounted-api.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const started: { readonly request: JobRequest; readonly by: string }[] = [];
let api: MountedApi;
let password: PasswordHash;

beforeAll(async () => {
  api = await mountedApi({
    jobs: {
      start: async (request, by) => {
        started.push({ request, by });
        return await Promise.resolve(jobOf(request, by));
      },
    },
  });
  password = await hashPassword(PASSWORD);
  for (const role of ROLES) api.access.users.add({ name: role, role, password });
});
afterAll(async () => await api[Symbol.asyncDispose]());
beforeEach(async () => {
  started.splice(0);
  // Whoever guessed in the test before may try again.
  await api.clock.advance(HOUR);
});

function jobOf(request: JobRequest, by: string): JobJson {
  const database = "database" in request ? request.database : null;
  return {
    id: "20260101T120000.000Z-00000001",
    kind: request.kind,
    database,
    options: request.options,
    command: [],
    by,
    startedAt: "2026-01-01T12:00:00.000Z",
    endedAt: null,
    durationMs: null,
    state: "running",
    how: null,
    cancelledBy: null,
    progress: null,
    error: null,
  };
}

/** One request of each kind, as short as it may be. */
const REQUESTS: { readonly [Kind in JobRequest["kind"]]: object } = {
  backup: { database: "data" },
  verify: { database: "data" },
  restore: { database: "data", options: { to: "swap" } },
  "undo-restore": { database: "data" },
  "missing-rows": { database: "data" },
  "provider-restore": { database: "data" },
  drill: { database: "data", options: { scenario: "server-lost" } },
  recover: { database: "data", options: { scenario: "server-lost" } },
  copy: { database: "data" },
  prune: { database: "data" },
  "checklist-done": { options: { duty: "look" } },
  "notify-test": { options: { channel: "team" } },
  "drill-note": { options: { id: "20260101T120000.000Z-00000001", note: "learned" } },
};
const DANGEROUS: readonly string[] = [
  "restore",
  "undo-restore",
  "missing-rows",
  "provider-restore",
  "recover",
];

/** A session of somebody who signed in with a password. */
const sessionOf = (name: string): { readonly cookie: string } => ({
  cookie: `${SESSION_COOKIE}=${api.access.sessions.begin(api.access.users.require(name), "password")}`,
});
const isIn = async (headers: Record<string, string>): Promise<boolean> => {
  const { text: said } = await api.ask("/api/session", { headers });
  return !said.includes('"user":null');
};

describe("each kind of job by each role", () => {
  test.each(JOB_KINDS.flatMap((kind) => ROLES.map((role) => [kind, role] as const)))(
    "%s by %s",
    async (kind, role) => {
      const body = { kind, ...REQUESTS[kind] };
      const ask = async (more: object) =>
        await api.ask("/api/jobs", { method: "POST", headers: sessionOf(role), body: { ...body, ...more } });
      const may = mayAs(role, ROLE_OF_KIND[kind]);
      if (!may) {
        expect((await ask({})).code).toBe("not_allowed");
        expect(started).toEqual([]);
        return;
      }
      if (DANGEROUS.includes(kind)) {
        for (const confirm of [undefined, { name: "data" }, { name: "dat", password: PASSWORD }])
          expect((await ask({ confirm })).code).toBe("not_confirmed");
        expect(started).toEqual([]);
      }
      const confirm = { name: "data", password: PASSWORD };
      expect((await ask(DANGEROUS.includes(kind) ? { confirm } : {})).status).toBe(201);
      expect(started).toMatchObject([{ request: { kind }, by: role }]);
      // What was asked for stands in the audit log, and no password with it.
      const [entry] = api.access.audit.list(Number.MAX_SAFE_INTEGER, 1);
      expect(entry).toMatchObject({ who: role, what: kind });
      expect(JSON.stringify(entry)).not.toContain(PASSWORD);
    },
  );

  test("a job is stopped by whoever may start it, and nobody less", async () => {
    const kinds = new Map(
      JOB_KINDS.map((kind, n) => [`20260101T120000.000Z-${n.toString(16).padStart(8, "0")}`, kind]),
    );
    const stopped: string[] = [];
    await using mounted = await mountedApi({
      jobs: {
        show: async (id) => await Promise.resolve({ ...jobOf(request(kinds.get(id)), "x"), result: null }),
        cancel: async (id, by) => {
          stopped.push(id);
          return await Promise.resolve(jobOf(request(kinds.get(id)), by));
        },
      },
    });
    for (const role of ROLES) {
      const user = mounted.access.users.add({ name: role, role, password: null });
      const cookie = `${SESSION_COOKIE}=${mounted.access.sessions.begin(user, "oidc")}`;
      for (const [id, kind] of kinds) {
        const { status } = await mounted.ask(`/api/jobs/${id}`, { method: "DELETE", headers: { cookie } });
        const may = mayAs(role, ROLE_OF_KIND[kind]);
        expect([role, kind, status]).toEqual([role, kind, may ? 202 : 403]);
        expect(stopped.splice(0)).toEqual(may ? [id] : []);
      }
    }
  });
});

function request(kind: JobRequest["kind"] | undefined): JobRequest {
  if (kind === undefined) throw new Error("no such job");
  return { kind, options: {}, ...REQUESTS[kind] } as JobRequest;
}

describe("how long somebody stays in", () => {
  test("a session ends twelve hours after it was used last, and after a week though it is used", async () => {
    const left = sessionOf("viewer");
    const used = sessionOf("operator");
    for (let passed = 0; passed < 7 * DAY; passed += 11 * HOUR) {
      expect([passed, await isIn(used)]).toEqual([passed, true]);
      if (passed <= 11 * HOUR) expect(await isIn(left)).toBe(true);
      await api.clock.advance(11 * HOUR);
    }
    expect(await isIn(used)).toBe(false);
    const idle = sessionOf("viewer");
    await api.clock.advance(12 * HOUR + 1000);
    expect(await isIn(idle)).toBe(false);
    expect((await api.ask("/api/databases", { headers: idle })).code).toBe("not_signed_in");
  });

  test("a token ends when it was to", async () => {
    const user = api.access.users.require("admin");
    const { secret } = api.access.tokens.make(user, {
      label: "t",
      role: "viewer",
      dangerous: false,
      days: 2,
    });
    const headers = { authorization: `Bearer ${secret}` };
    await api.clock.advance(2 * DAY - 1000);
    expect(await isIn(headers)).toBe(true);
    await api.clock.advance(1000);
    expect(await isIn(headers)).toBe(false);
  });

  test("who signs out is out; a password that is changed ends the other sessions and not this one", async () => {
    const [here, there] = [sessionOf("viewer"), sessionOf("viewer")];
    await api.ask("/api/session", { method: "DELETE", headers: there });
    expect([await isIn(here), await isIn(there)]).toEqual([true, false]);
    const elsewhere = sessionOf("viewer");
    const body = { password: PASSWORD, newPassword: `${PASSWORD}!` };
    const changed = await api.ask("/api/password", { method: "POST", headers: here, body });
    expect(changed.code).toBe(undefined);
    expect([await isIn(here), await isIn(elsewhere)]).toEqual([true, false]);
    api.access.users.setPassword("viewer", password);
  });

  test("whoever guesses waits longer each time, by name and by address, and comes in when the wait is over", async () => {
    await using mounted = await mountedApi();
    for (const name of ["ada", "bob"]) mounted.access.users.add({ name, role: "viewer", password });
    const tryOf = async (name: string, password: string) =>
      await mounted.ask("/api/session", { method: "POST", body: { name, password } });
    const waits: number[] = [];
    for (let tries = 0; tries < 12; tries++) {
      const { status, text: said } = await tryOf("ada", "not the right one");
      if (status === 401) continue;
      expect(status).toBe(429);
      waits.push(Number(/"retryAfterSeconds":(\d+)/.exec(said)?.[1]));
      // Another name from the same address waits, too, and so does the right password.
      expect((await tryOf("bob", PASSWORD)).status).toBe(429);
      expect((await tryOf("ada", PASSWORD)).status).toBe(429);
      await mounted.clock.advance((waits.at(-1) ?? 0) * 1000);
    }
    expect(waits).toEqual([1, 2, 4, 8]);
    expect((await tryOf("ada", PASSWORD)).status).toBe(200);
    expect((await tryOf("ada", "not the right one")).status).toBe(401);
    expect((await tryOf("ada", PASSWORD)).status).toBe(200);
  });

  test("confirming with the right password, too, forgets the wrong ones before", async () => {
    const body = { kind: "undo-restore", database: "data" };
    const ask = async (password: string) =>
      await api.ask("/api/jobs", {
        method: "POST",
        headers: sessionOf("admin"),
        body: { ...body, confirm: { name: "data", password } },
      });
    for (let round = 0; round < 3; round++) {
      for (let tries = 0; tries < 3; tries++) expect((await ask("wrong")).code).toBe("not_confirmed");
      expect((await ask(PASSWORD)).status).toBe(201);
    }
  });
});

describe("what is forged, malformed or too much", () => {
  test("a cookie that was changed opens nothing", async () => {
    const { cookie } = sessionOf("admin");
    const secret = cookie.slice(SESSION_COOKIE.length + 1);
    const last = secret.endsWith("A") ? "B" : "A";
    for (const forged of [
      `${SESSION_COOKIE}=${secret.slice(0, -1)}${last}`,
      `${SESSION_COOKIE}=${secret}${last}`,
      `${SESSION_COOKIE}=${secret.toLowerCase()}`,
      `${SESSION_COOKIE}=`,
      SESSION_COOKIE,
      `${SESSION_COOKIE}=' or 1=1 --`,
      `${SESSION_COOKIE}x=${secret}`,
      `${SESSION_COOKIE}=%00${secret}`,
      `__proto__=x; ${SESSION_COOKIE}=[object Object]`,
    ])
      expect([forged, await isIn({ cookie: forged })]).toEqual([forged, false]);
    expect(await isIn({ cookie: `other=1; ${cookie}; more=2` })).toBe(true);
    // What is kept of it lets nobody in.
    const hash = api.access.sessions.find(secret)?.hash ?? "";
    expect(await isIn({ cookie: `${SESSION_COOKIE}=${hash}` })).toBe(false);
  });

  const BODIES: readonly (readonly [string, unknown])[] = [
    ["nothing", ""],
    ["half of it", '{"name":"admin"'],
    ["null", "null"],
    ["a list", []],
    ["a text", '"admin"'],
    ["another type", { name: { $ne: null }, password: ["x"] }],
    ["a field too many", { name: "admin", password: PASSWORD, role: "admin" }],
    ["a prototype", '{"name":"admin","password":"x","__proto__":{"role":"admin"}}'],
    ["a constructor", '{"name":"admin","password":"x","constructor":{"prototype":{"role":"admin"}}}'],
    ["a depth", `${"[".repeat(10_000)}${"]".repeat(10_000)}`],
    ["a name that is too long", { name: "a".repeat(65), password: "x" }],
    ["a NUL", '{"name":"ad\\u0000min","password":"x"}'],
    ["too much", { name: "admin", password: "x".repeat(100_000) }],
  ];
  test.each(BODIES)("a body that is %s is refused in words, and is no defect", async (_, body) => {
    const answer = await api.ask("/api/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    expect([400, 401, 413]).toContain(answer.status);
    expect(answer.code).toMatch(/^(usage|request_too_large|not_signed_in)$/);
    expect(answer.cookies).toEqual([]);
    expect(api.defects).toEqual([]);
  });

  test("a name of a user, a token or a job cannot end a line, and is an option of no command", async () => {
    const headers = sessionOf("admin");
    const confirm = (name: string) => ({ confirm: { name, password: PASSWORD } });
    for (const name of ["eve\r\nset-cookie: x=1", "eve\u0000", "--role", "../eve", " eve", "<b>eve</b>"]) {
      const body = { name, role: "viewer", password: PASSWORD, ...confirm(name) };
      expect((await api.ask("/api/users", { method: "POST", headers, body })).code).toBe("usage");
    }
    for (const body of [
      { kind: "backup", database: "data\n--all" },
      { kind: "verify", database: "data", options: { backup: "--identity=/etc/passwd" } },
      { kind: "restore", database: "data", options: { to: "/etc/passwd" } },
      { kind: "drill", database: "data", options: { scenario: "server-lost", command: "rm" } },
      { kind: "shell", database: "data" },
    ])
      expect((await api.ask("/api/jobs", { method: "POST", headers, body })).code).toBe("usage");
    expect(started).toEqual([]);
  });

  test("an address that climbs out of its folder leads nowhere", async () => {
    const headers = sessionOf("admin");
    for (const path of [
      "/api/../../etc/passwd",
      "/api/jobs/..%2f..%2f..%2fetc%2fpasswd",
      "/api/jobs/%2e%2e%2f%2e%2e%2fetc%2fpasswd/events",
      "/api/jobs/..\\..\\etc\\passwd",
      "/api/jobs/%00",
      "/api/jobs/%ff%fe",
      "/api/backups/data/..%2f..%2frepository.json",
      "/api/backups/..%2f..%2fetc/passwd",
      "/api//users",
      `/api/jobs/${"a".repeat(5000)}`,
    ]) {
      const answer = await api.ask(path, { headers });
      expect([path, [400, 404, 414].includes(answer.status), answer.code]).toEqual([
        path,
        true,
        expect.stringMatching(/^(usage|page_missing)$/) as string,
      ]);
    }
    expect(api.defects).toEqual([]);
  });

  test("no address of the pages leads out of their folder", async () => {
    await using folder = await temporaryFolder();
    const pages = join(folder.path, "pages");
    await mkdir(join(pages, "assets"), { recursive: true });
    await writeFile(join(folder.path, "secret.txt"), "a secret");
    await writeFile(join(pages, "index.html"), "<p>the page</p>");
    await writeFile(join(pages, "assets/a.js"), "a();");
    const handle = await dashboardFrom(pages);
    if (handle === undefined) throw new Error("no pages");
    const server = createServer(handle).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const ask = async (path: string): Promise<string> => {
      const socket = connect(port, "127.0.0.1");
      socket.end(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
      return await text(socket);
    };
    expect(await ask("/assets/a.js")).toContain("a();");
    for (const path of [
      "/../secret.txt",
      "/assets/../../secret.txt",
      "/%2e%2e/secret.txt",
      "/..%2fsecret.txt",
      "/..\\secret.txt",
      "//secret.txt",
      "/assets/..%2f..%2fsecret.txt",
      `${folder.path}/secret.txt`,
    ]) {
      const answer = await ask(path);
      expect([path, answer]).toEqual([path, expect.stringMatching(/^HTTP\/1\.1 (200|404) /) as string]);
      expect(answer).not.toContain("a secret");
    }
    server.close();
  });

  test("two requests in one, or a header that ends early, is one answer that closes", async () => {
    const { hostname, port } = new URL(api.url);
    const send = async (lines: readonly string[]): Promise<string> => {
      const socket = connect(Number(port), hostname);
      socket.end(lines.join("\r\n"));
      return await text(socket);
    };
    const host = `host: ${hostname}:${port}`;
    for (const lines of [
      // Each side of a proxy would end it elsewhere (RFC 9112, 6.1 and 6.3).
      [
        "POST /api/session HTTP/1.1",
        host,
        "content-length: 4",
        "transfer-encoding: chunked",
        "",
        "0",
        "",
        "GET /api/users HTTP/1.1",
        host,
        "",
        "",
      ],
      ["POST /api/session HTTP/1.1", host, "content-length: 4", "content-length: 5", "", "{}{}x"],
      ["GET /api/session HTTP/1.1", host, "cookie: a\rset-cookie: x=1", "", ""],
      ["GET /api/session\nx HTTP/1.1", host, "", ""],
    ]) {
      const answers = await send(lines);
      expect(answers).toMatch(/^HTTP\/1\.1 400 /);
      expect(answers.match(/^HTTP/gm)).toHaveLength(1);
      expect(answers.toLowerCase()).not.toContain("set-cookie");
    }
  });
});

test("every role is asked for every kind", () => {
  expect(Object.keys(REQUESTS).toSorted()).toEqual(JOB_KINDS.toSorted());
  expect(new Set<Role>(Object.values(ROLE_OF_KIND))).toEqual(new Set<Role>(["operator", "admin"]));
});
