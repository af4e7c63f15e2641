import { afterAll, beforeAll, expect, test } from "vitest";
import { hashPassword } from "../src/access/passwords.ts";
import type { OidcSettings } from "../src/config/oidc.ts";
import { type MountedApi, mountedApi } from "./support/mounted-api.ts";
import { type OidcProvider, oidcProvider, Visitor } from "./support/oidc-provider.ts";

const PASSWORD = "correct horse battery staple";

let api: MountedApi;
let provider: OidcProvider;
let settings: OidcSettings | undefined;

beforeAll(async () => {
  // The provider's own clock is the real one.
  api = await mountedApi({ oidc: () => settings, start: new Date() });
  provider = await oidcProvider(`${api.url}/api/oidc/callback`, {
    ada: { preferred_username: "ada", groups: ["staff", "backup-admins"] },
    bob: { preferred_username: "bob", groups: ["staff"] },
    eve: { preferred_username: "eve", groups: ["guests"] },
    mallory: { preferred_username: "root", groups: ["backup-admins"] },
    other: { preferred_username: "ada", groups: ["staff"] },
    nameless: { groups: ["staff"] },
  });
  settings = {
    name: "Example Login",
    issuer: provider.issuer,
    clientId: provider.clientId,
    clientSecret: { text: provider.clientSecret, where: "handled.yaml:1:1" },
    nameClaim: "preferred_username",
    scopes: ["groups"],
    roleClaim: "groups",
    roles: [
      ["viewer", ["staff"]],
      ["operator", []],
      ["admin", ["backup-admins"]],
    ],
  };
});
afterAll(async () => {
  await provider[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

async function signIn(name: string, start = "/api/oidc/start") {
  const visitor = new Visitor(name, api.url);
  const arrived = await visitor.visit(`${api.url}${start}`);
  const session = await api.ask("/api/session", { headers: { cookie: visitor.cookie } });
  return { visitor, arrived, ...(JSON.parse(session.text) as { user: unknown; oidc: string }) };
}

test("whoever a real provider knows comes in, as what its groups say", async () => {
  expect((await signIn("bob")).arrived.search).toBe("?refused=not_allowed");
  expect(api.access.users.list()).toEqual([]);
  const ada = await signIn("ada");
  expect([ada.arrived.pathname, ada.user, ada.oidc]).toEqual([
    "/",
    { name: "ada", role: "admin", how: "oidc" },
    "Example Login",
  ]);
  expect((await api.ask("/api/users", { headers: { cookie: ada.visitor.cookie } })).status).toBe(200);
  const bob = await signIn("bob");
  expect(bob.user).toEqual({ name: "bob", role: "viewer", how: "oidc" });
  expect((await api.ask("/api/users", { headers: { cookie: bob.visitor.cookie } })).code).toBe("not_allowed");
  // No password opens it.
  const typed = { name: "ada", password: PASSWORD };
  expect((await api.ask("/api/session", { method: "POST", body: typed })).code).toBe("not_signed_in");
  expect(api.access.audit.list(100, 10).map(({ who, what }) => `${who}: ${what}`)).toEqual([
    "ada: sign-in refused",
    "bob: signed in",
    "bob: user added",
    "ada: signed in",
    "ada: user added",
    "bob: sign-in refused",
  ]);
});

test("whoever has no role, no name, or the name of somebody else does not come in", async () => {
  api.access.users.add({ name: "root", role: "admin", password: await hashPassword(PASSWORD) });
  for (const [name, refused] of [
    ["eve", "not_allowed"],
    ["mallory", "not_allowed"],
    ["other", "not_allowed"],
    ["nameless", "sign_in_failed"],
  ] as const) {
    const { arrived, user } = await signIn(name);
    expect([name, arrived.search, user]).toEqual([name, `?refused=${refused}`, null]);
  }
  expect(api.access.users.list().map(({ name }) => name)).toEqual(["ada", "bob", "root"]);
});

test("without a mapping of roles only those come in whom an admin has added", async () => {
  const mapped = settings;
  settings = mapped && { ...mapped, roles: undefined };
  try {
    expect((await signIn("eve")).arrived.search).toBe("?refused=not_allowed");
    api.access.users.add({ name: "eve", role: "operator", password: null });
    // The fifth refusal in a row.
    expect((await signIn("eve")).arrived.search).toBe("?refused=too_many_tries");
    await api.clock.advance(1_000);
    expect((await signIn("eve")).user).toEqual({ name: "eve", role: "operator", how: "oidc" });
  } finally {
    settings = mapped;
  }
});

test("something dangerous takes that the provider has just asked who it is", async () => {
  const body = { name: "carl", role: "viewer", password: PASSWORD, confirm: { name: "carl" } };
  const add = async (cookie: string) =>
    (await api.ask("/api/users", { method: "POST", headers: { cookie }, body })).code;
  const silent = await signIn("ada");
  expect(await add(silent.visitor.cookie)).toBe("not_confirmed");
  const again = await signIn("ada", "/api/oidc/start?again=true");
  expect(await add(again.visitor.cookie)).toBe(undefined);
  await api.clock.advance(5 * 60_000 + 1_000);
  expect(await add(again.visitor.cookie)).toBe("not_confirmed");
});

test("an answer that was not asked for in this browser, or was used, opens nothing", async () => {
  const forged = await api.ask("/api/oidc/callback?code=x&state=y");
  expect([forged.status, forged.headers["location"], forged.cookies.join()]).toEqual([
    303,
    "/sign-in?refused=sign_in_failed",
    expect.stringMatching(/^handled_oidc=; /),
  ]);
  const begun = await api.ask("/api/oidc/start");
  const cookie = begun.cookies[0]?.split(";")[0] ?? "";
  expect(begun.cookies[0]).toMatch(/; HttpOnly; SameSite=Lax$/);
  const state = new URL(String(begun.headers["location"])).searchParams.get("state");
  for (const query of [`code=stolen&state=other`, `code=stolen&state=${state}`]) {
    const answer = await api.ask(`/api/oidc/callback?${query}`, { headers: { cookie } });
    expect(answer.headers["location"]).toBe("/sign-in?refused=sign_in_failed");
    expect(answer.cookies.join()).not.toContain("handled_session");
  }
  expect(api.defects).toEqual([]);
});

test("a provider that is away is told", async () => {
  const there = settings;
  settings = there && { ...there, issuer: "http://127.0.0.1:1" };
  try {
    expect((await api.ask("/api/oidc/start")).headers["location"]).toBe("/sign-in?refused=sign_in_failed");
  } finally {
    settings = there;
  }
  settings = undefined;
  expect((await api.ask("/api/oidc/start")).headers["location"]).toBe("/sign-in?refused=page_missing");
  settings = there;
});

test("whoever is refused again and again has to wait, and fills no log; whoever has begun here is kept waiting by no stranger", async () => {
  const forged = async () => String((await api.ask("/api/oidc/callback?code=x&state=y")).headers["location"]);
  const before = api.access.audit.list(Number.MAX_SAFE_INTEGER, 1)[0]?.seq ?? 0;
  const answers = [];
  for (let i = 0; i < 20; i++) answers.push(await forged());
  expect(answers.at(-1)).toBe("/sign-in?refused=too_many_tries");
  expect(api.access.audit.list(Number.MAX_SAFE_INTEGER, 100).filter(({ seq }) => seq > before)).toHaveLength(
    answers.filter((answer) => answer.endsWith("sign_in_failed")).length,
  );
  expect((await signIn("bob")).user).toMatchObject({ name: "bob" });
  await api.clock.advance(15 * 60_000);
  expect(await forged()).toBe("/sign-in?refused=sign_in_failed");

  for (let i = 0; i < 5; i++) expect((await signIn("nameless")).arrived.search).toContain("sign_in_failed");
  expect((await signIn("bob")).arrived.search).toBe("?refused=too_many_tries");
  await api.clock.advance(60_000);
  expect((await signIn("bob")).user).toMatchObject({ name: "bob" });
});
