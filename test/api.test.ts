import { Validator } from "@seriousme/openapi-schema-validator";
import { rm, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JOB_ROUTES } from "../src/api/contract/job-routes.ts";
import { ACCESS_ROUTES } from "../src/api/contract/access.ts";
import { OIDC_ROUTES } from "../src/api/contract/oidc.ts";
import { ROUTES } from "../src/api/contract/routes.ts";
import { ErrorJson } from "../src/json/common.ts";
import type { BackupsJson } from "../src/api/contract/answers.ts";
import { ServeEventJson } from "../src/json/serve.ts";
import { runCommandLine } from "../src/cli/run.ts";
import { AppError } from "../src/errors.ts";
import { asUser } from "./support/api-access.ts";
import { cliEnvironment, jsonOf, runCli } from "./support/cli.ts";
import { withRecipient } from "./support/keys.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let url: string;
let caller: Awaited<ReturnType<typeof asUser>>;
const stop = new AbortController();
let served: Promise<number>;
const events: ServeEventJson[] = [];
let heard = Promise.withResolvers<void>();

/** Starts `handled serve` in this process; returns once it listens. */
async function serveApi(cwd: string): Promise<string> {
  const listening = Promise.withResolvers<string>();
  const hear = (line: string): void => {
    const event = ServeEventJson.parse(JSON.parse(line));
    events.push(event);
    heard.resolve();
    heard = Promise.withResolvers();
    if (event.event === "listening") listening.resolve(/http:\S+/.exec(event.message)?.[0] ?? "");
  };
  served = runCommandLine(withRecipient(["serve", "--json", "--port", "0"]), {
    env: cliEnvironment(),
    cwd,
    stdout: { write: hear },
    stderr: { write: (chunk) => listening.reject(new Error(chunk)) },
    stdin: undefined,
    node: process.execPath,
    script: "main.ts",
    signal: stop.signal,
    onHangup: () => undefined,
  });
  return await listening.promise;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Asks for exactly this path, which `fetch` would tidy up. */
async function ask(
  path: string,
  {
    method = "GET",
    headers = {},
    body,
  }: { readonly method?: string; readonly headers?: Record<string, string>; readonly body?: string } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { hostname, port } = new URL(url);
  const all = { ...caller, ...headers };
  const asked = request({ host: hostname, port, path, method, headers: all, agent: false }, (answer) => {
    const { statusCode: status = 0 } = answer;
    text(answer).then((all) => resolve({ status, headers: answer.headers, body: all }), reject);
  });
  asked.once("error", reject);
  asked.end(body);
  return await promise;
}

const errorOf = ({ body }: Answer): ErrorOf => ErrorJson.parse(JSON.parse(body)).error;
type ErrorOf = ReturnType<typeof ErrorJson.parse>["error"];

beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups }, broken: { url: handled.yaml } }
duties: [{ name: look, every: weekly, database: data, what: look at it }]
databases:
  data: { url: "${live.url}", repository: local, backups: [{ name: nightly, kind: snapshot }] }
  lost: { url: service=lost, repository: broken }
`,
  );
  const backup = await runCli(["backup", "data"], { cwd: folder.path });
  if (backup.code !== 0) throw new Error(backup.stderr);
  url = await serveApi(folder.path);
  caller = await asUser(folder.path, "admin");
});
afterAll(async () => {
  stop.abort(new AppError("interrupted", "serve: stopped by SIGTERM"));
  await served;
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

const PATHS: Readonly<Record<keyof typeof ROUTES, string>> = {
  databases: "/api/databases",
  overview: "/api/overview",
  days: "/api/days?zone=Asia/Kathmandu&days=3",
  backups: "/api/databases/data/backups",
  series: "/api/databases/data/series?days=30",
  backup: "/api/backups/data/latest",
  diff: "/api/databases/data/diff?first=latest&second=latest",
  runs: "/api/runs?database=data&last=5&operation=backup&since=2020-01-01T00:00:00Z",
  findings: "/api/findings",
  checklist: "/api/checklist",
  runbook: "/api/runbook?format=md",
  repositories: "/api/repositories",
  channels: "/api/channels",
  strategy: "/api/strategy",
  recoveries: "/api/recoveries?last=1",
  scenarios: "/api/scenarios",
};

describe("the HTTP API", () => {
  test.each(Object.keys(ROUTES) as (keyof typeof ROUTES)[])(
    "%s answers as its contract says",
    async (name) => {
      const answer = await ask(PATHS[name]);
      expect(answer.status, answer.body).toBe(200);
      const isPage = name === "runbook";
      expect(answer.headers["content-type"]).toMatch(isPage ? /^text\/markdown/ : /^application\/json/);
      ROUTES[name].answer.parse(isPage ? answer.body : JSON.parse(answer.body));
      expect(answer.body).not.toContain(new URL(live.url).password || "no password");
    },
  );

  test("it says what the commands say", async () => {
    const of = async (...args: string[]): Promise<Record<string, unknown>> =>
      jsonOf(await runCli([...args, "--json"], { cwd: folder.path }));
    const listed = JSON.parse((await ask(PATHS.backups)).body) as BackupsJson;
    expect(listed).toEqual({ ...(await of("list", "data")), next: null });
    const id = listed.databases[0]?.backups[0]?.id ?? "";
    expect(JSON.parse((await ask(`/api/backups/data/${id}`)).body)).toEqual(await of("show", "data", id));
    expect(JSON.parse((await ask(`/api/databases/data/diff?first=${id}&second=latest`)).body)).toEqual(
      await of("diff", "data", id, "latest"),
    );
    const { databases } = JSON.parse((await ask(PATHS.runs)).body) as { databases: unknown[] };
    expect(databases).toEqual([await of("history", "data", "--operation", "backup")]);
    expect(JSON.parse((await ask(PATHS.checklist)).body)).toEqual(await of("checklist"));
    const status = JSON.parse((await ask(PATHS.databases)).body) as {
      databases: { database: string; backups: number; known: boolean }[];
    };
    expect(status.databases.map((one) => [one.database, one.backups, one.known])).toEqual([
      ["data", 1, true],
      ["lost", 0, false],
    ]);
  });

  test("what ran is counted by the day; of a place that cannot be read it is said", async () => {
    const { zone, databases } = ROUTES.days.answer.parse(JSON.parse((await ask(PATHS.days)).body));
    const [data, lost] = databases;
    expect(zone).toBe("Asia/Kathmandu");
    expect(data?.days).toHaveLength(3);
    expect(data?.days.at(-1)).toMatchObject({ backups: 1, proofs: 0, failures: 0, degraded: 0 });
    expect(data?.unread).toEqual([]);
    expect([lost?.days, lost?.unread.length]).toEqual([[], 1]);
  });

  test("many may ask at once", async () => {
    const paths = Object.values(PATHS);
    const answers = await Promise.all([...paths, ...paths, ...paths].map(async (path) => await ask(path)));
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  });

  test("the OpenAPI document is valid, and lists every address", async () => {
    const document = JSON.parse((await ask("/api/openapi.json")).body) as {
      openapi: string;
      paths: Record<string, object>;
    };
    expect(await new Validator().validate(document)).toMatchObject({ valid: true });
    expect(document.openapi).toBe("3.1.0");
    expect(Object.keys(document.paths).toSorted()).toEqual(
      [
        ...new Set(
          [ROUTES, JOB_ROUTES, ACCESS_ROUTES, OIDC_ROUTES]
            .flatMap((routes) => Object.values<{ path: string }>(routes))
            .map(({ path }) => path),
        ),
      ]
        .map((path) => path.replace(/:(\w+)/g, "{$1}"))
        .toSorted(),
    );
  });

  test("the document is a page, too, which loads nothing and runs nothing, and has every address", async () => {
    const { headers, body } = await ask("/api/docs");
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'unsafe-inline'/);
    expect(body).not.toMatch(/<script|src=|href="http|<link/);
    for (const [method, path, role] of [
      ["GET", "/api/databases/{name}/backups", "viewer"],
      ["POST", "/api/jobs", "operator"],
      ["GET", "/api/strategy", "admin"],
    ] as const) {
      expect(body).toContain(`<h2><code>${method} ${path}</code></h2>`);
      expect(body.split(`<h2><code>${method} ${path}</code></h2>`)[1]?.slice(0, 300)).toContain(
        `Takes: ${role}.`,
      );
    }
    expect(body).toContain("No more than so many of each database");
  });

  test("the runbook is a page that may use its own styles and nothing else", async () => {
    const { headers, body } = await ask("/api/runbook");
    expect(headers["content-type"]).toMatch(/^text\/html/);
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'unsafe-inline'/);
    expect(body).toMatch(/^<!doctype html>/);
  });

  test("a repository that cannot be read hides nothing of the others, and is an error where it is all that was asked for", async () => {
    const lost = await ask("/api/databases/lost/backups");
    expect([lost.status, errorOf(lost).code]).toEqual([500, "repository_unusable"]);
    const usage = ROUTES.repositories.answer.parse(JSON.parse((await ask(PATHS.repositories)).body));
    expect([usage.places.length, usage.unread.length]).toEqual([1, 1]);
    const findings = ROUTES.findings.answer.parse(JSON.parse((await ask(PATHS.findings)).body));
    expect(findings.findings.filter(({ database }) => database === "lost")).not.toEqual([]);
    const { databases } = ROUTES.runs.answer.parse(JSON.parse((await ask("/api/runs")).body));
    expect(databases.map(({ runs, unread }) => [runs.length, unread.length])).toEqual([
      [1, 0],
      [0, 1],
    ]);
  });

  test.each([
    ["/api/databases/nobody/backups", 400, "usage"],
    ["/api/backups/nobody/latest", 400, "usage"],
    ["/api/backups/data/20200101T000000Z-0000", 404, "backup_missing"],
    ["/api/backups/data/..%2f..%2fhandled.yaml", 400, "usage"],
    ["/api/backups/..%2f..%2fetc/latest", 400, "usage"],
    ["/api/databases/..%2f..%2f..%2fetc%2fpasswd/backups", 400, "usage"],
    ["/api/databases/%00/backups", 400, "usage"],
    ["/api/databases/%zz/backups", 400, "usage"],
    [`/api/databases/${"x".repeat(500)}/backups`, 400, "usage"],
    ["/api/../../etc/passwd", 404, "page_missing"],
    ["/api/%2e%2e/metrics", 404, "page_missing"],
    ["/api", 404, "page_missing"],
    ["/api/runs?last=0", 400, "usage"],
    ["/api/runs?last=many", 400, "usage"],
    ["/api/runs?since=yesterday", 400, "usage"],
    ["/api/runs?operation=drop", 400, "usage"],
    ["/api/runs?operation=backup&operation=verify", 400, "usage"],
    ["/api/runs?database=nobody", 400, "usage"],
    ["/api/runs?wrong=1", 400, "usage"],
    ["/api/runs?__proto__=1", 400, "usage"],
    ["/api/runbook?format=pdf", 400, "usage"],
    ["/api/runs?before=yesterday", 400, "usage"],
    ["/api/databases/data/backups?before=latest", 400, "usage"],
    ["/api/databases/data/diff?first=latest", 400, "usage"],
    ["/api/databases/data/diff?first=latest&second=live", 400, "usage"],
    ["/api/databases/data/diff?first=latest&second=20200101T000000Z-0000", 404, "backup_missing"],
    ["/api/backups/data/provider:2024-12-10T03:00:05Z", 400, "usage"],
    ["/api/backups/data/provider:never", 400, "usage"],
    ["/api/days?zone=Mars/Olympus", 400, "usage"],
    ["/api/days?zone=%2B01:00", 400, "usage"],
    ["/api/days?days=1000", 400, "usage"],
  ])("%s is refused with %i", async (path, status, code) => {
    const answer = await ask(path);
    expect([answer.status, errorOf(answer).code], answer.body).toEqual([status, code]);
    expect(answer.headers["x-content-type-options"]).toBe("nosniff");
  });

  test("a wrong name says what is there", async () => {
    expect(errorOf(await ask("/api/databases/dta/backups"))).toMatchObject({
      code: "usage",
      message: expect.stringContaining("find database dta") as string,
      hint: "did you mean `data`?",
    });
  });

  test("what is sent is not taken: nothing is changed, and too much is not read", async () => {
    const json = { "content-type": "application/json" };
    const large = JSON.stringify("x".repeat(100_000));
    const cases = [
      await ask("/api/databases", { method: "POST", headers: json, body: "{}" }),
      await ask("/api/databases", { method: "DELETE" }),
      await ask("/api/databases", { method: "POST", headers: json, body: large }),
      await ask("/api/databases", { method: "POST", headers: json, body: "{" }),
      await ask("/api/databases", { headers: { "content-length": "2" }, body: "{}" }),
    ];
    expect(cases.map((answer) => [answer.status, errorOf(answer).code])).toEqual([
      [404, "page_missing"],
      [404, "page_missing"],
      [413, "request_too_large"],
      [400, "usage"],
      [400, "usage"],
    ]);
  });

  test("only an address of this machine may be its name, and no other site may read or frame it", async () => {
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"]) {
      const answer = await ask("/api/databases", { headers: { host } });
      expect([host, answer.status, errorOf(answer).code]).toEqual([host, 403, "host_refused"]);
    }
    for (const host of ["localhost", "127.0.0.1:8420", "[::1]:8420", "192.168.1.2"])
      expect((await ask("/api/openapi.json", { headers: { host } })).status).toBe(200);
    const { headers } = await ask("/api/openapi.json", { headers: { origin: "http://evil.example" } });
    expect(headers).toMatchObject({
      "content-security-policy": expect.stringContaining("default-src 'none'") as string,
      "x-frame-options": "DENY",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    });
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("what else is listened for is there as before", async () => {
    expect((await ask("/healthz")).body).toBe("ok\n");
    // Not ours: a page of the dashboard, where that is built.
    expect((await ask("/apis")).headers["content-type"]).not.toContain("json");
  });

  // The last one: it takes the repository away.
  test("a repository that is gone is told", async () => {
    await rm(join(folder.path, "backups"), { recursive: true });
    const answer = await ask(PATHS.backups);
    expect([answer.status, errorOf(answer).code]).toEqual([404, "repository_missing"]);
  });
});
