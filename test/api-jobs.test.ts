import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BackupsJson } from "../src/api/contract/answers.ts";
import { JobDetailsJson, JobEvent, JobJson, JobsJson, PlanJson } from "../src/api/contract/jobs.ts";
import { ErrorJson } from "../src/json/common.ts";
import { asUser } from "./support/api-access.ts";
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, runSql, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let served: Served;
let url: string;
let caller: Awaited<ReturnType<typeof asUser>> | undefined;

beforeAll(async () => {
  live = await freshDatabase({
    sql: "create table item (id int primary key); insert into item select generate_series(1, 100)",
  });
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  data: { url: "${live.url}", repository: local, lockTimeout: 60s, backups: [{ name: nightly, kind: snapshot, deadline: 2m }] }
  other: { url: "${live.url}", repository: local, backups: [{ name: nightly }] }
`,
  );
  await start();
});
afterAll(async () => {
  await served.stop("SIGTERM");
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

async function start(): Promise<void> {
  const env = { XDG_STATE_HOME: join(folder.path, "state") };
  served = serve(folder.path, { env });
  caller ??= await asUser(folder.path, "admin", { env });
  url = await served.url();
}

async function ask(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...caller, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

async function post(body: unknown): Promise<JobJson> {
  const answer = await ask("POST", "/api/jobs", body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return JobJson.parse(answer.body);
}

const show = async (id: string): Promise<JobDetailsJson> =>
  JobDetailsJson.parse((await ask("GET", `/api/jobs/${id}`)).body);

/** Listens to a job, from an event on, to its end. */
async function listen(id: string, after?: number): Promise<JobEvent[]> {
  const answer = await fetch(`${url}/api/jobs/${id}/events`, {
    headers: { ...caller, ...(after === undefined ? {} : { "last-event-id": String(after) }) },
  });
  if (answer.status === 204) return [];
  expect(answer.headers.get("content-type")).toContain("text/event-stream");
  const heard: JobEvent[] = [];
  let rest = "";
  for await (const chunk of answer.body ?? []) {
    const messages = (rest + Buffer.from(chunk as Uint8Array).toString()).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const [, seq, data] = /^id: (\d+)\ndata: (.*)$/.exec(message) ?? [];
      if (data === undefined) continue;
      const event = JobEvent.parse(JSON.parse(data));
      expect(event.seq).toBe(Number(seq));
      heard.push(event);
    }
  }
  return heard;
}

const statesOf = (events: readonly JobEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "state" ? [event.state] : []));
const rows = async (): Promise<number> =>
  (await runSql<{ n: number }>(live.url, "select count(*)::int as n from item"))[0]?.n ?? 0;
const isProgress = ({ kind }: JobEvent): boolean => kind === "progress";

describe("jobs", () => {
  test("a backup is made and proven, is seen while it runs, and is read again from any place", async () => {
    const begun = await post({ kind: "backup", database: "data", options: { entry: "nightly" } });
    expect(begun).toMatchObject({ kind: "backup", state: "running", endedAt: null });
    const events = await listen(begun.id);
    expect(statesOf(events)).toEqual(["running", "done"]);
    expect(events.some(isProgress)).toBe(true);
    expect(events.map(({ seq }) => seq)).toEqual(events.map(({ seq }) => seq).toSorted((a, b) => a - b));
    const middle = events[2]?.seq ?? 0;
    expect(await listen(begun.id, middle)).toEqual(events.slice(3));
    expect(await listen(begun.id, events.at(-1)?.seq ?? 0)).toEqual([]);
    const ended = await show(begun.id);
    expect(ended).toMatchObject({ state: "done", how: "exit code 0", error: null });
    expect(ended.result).toMatchObject({ database: "data", rows: 100, schedule: "nightly" });

    const verified = await post({ kind: "verify", database: "data", options: { level: "integrity" } });
    expect(statesOf(await listen(verified.id))).toEqual(["running", "done"]);
    const { jobs } = JobsJson.parse((await ask("GET", "/api/jobs?database=data")).body);
    expect(jobs.map(({ id }) => id)).toEqual([verified.id, begun.id]);
    expect(JobsJson.parse((await ask("GET", "/api/jobs?state=failed")).body).jobs).toEqual([]);
    const page = JobsJson.parse((await ask("GET", `/api/jobs?database=data&before=${verified.id}`)).body);
    expect([page.jobs.map((job) => job.id), page.next]).toEqual([[begun.id], null]);
    const first = JobsJson.parse((await ask("GET", "/api/jobs?database=data&last=1")).body);
    expect(first.next).toBe(verified.id);
  });

  test("what a job did to the backups is listed once it has ended, whatever the daemon's last look found", async () => {
    const proofs = async (): Promise<(string | undefined)[]> => {
      const { body } = await ask("GET", "/api/databases/data/backups");
      return (BackupsJson.parse(body).databases[0]?.backups ?? []).map(({ proof }) => proof?.outcome);
    };
    for (let before = await proofs(), times = 0; times < 3; times++) {
      await listen((await post({ kind: "backup", database: "data" })).id);
      expect(await proofs()).toEqual([undefined, ...before]);
      await listen((await post({ kind: "verify", database: "data", options: { level: "integrity" } })).id);
      before = await proofs();
      expect(before[0]).toBe("proven");
    }
  });

  test("what fails says why, with the command's error", async () => {
    const { id } = await post({ kind: "verify", database: "other" });
    const events = await listen(id);
    expect(statesOf(events)).toEqual(["running", "failed"]);
    expect(events).toContainEqual(expect.objectContaining({ kind: "line", level: "error" }));
    expect(await show(id)).toMatchObject({
      state: "failed",
      error: { code: "backup_missing", message: expect.stringContaining("other") as string },
    });
  });

  test("one thing at a time with a database; it is stopped when it is asked to be, and found again by who comes later", async () => {
    await using held = new AsyncDisposableStack();
    held.use(await lockTable(live.url, "item"));
    const first = await post({ kind: "backup", database: "data" });
    const refused = await ask("POST", "/api/jobs", { kind: "verify", database: "data" });
    expect([refused.status, ErrorJson.parse(refused.body).error]).toEqual([
      409,
      expect.objectContaining({
        code: "job_running",
        message: expect.stringContaining(`backup ${first.id}`) as string,
      }),
    ]);
    // The daemon is killed: what it started goes on, and the next one finds it.
    await served.stop("SIGKILL");
    await start();
    expect(await show(first.id)).toMatchObject({ state: "running" });
    expect((await ask("POST", "/api/jobs", { kind: "prune", database: "data" })).status).toBe(409);
    expect((await ask("DELETE", `/api/jobs/${first.id}`)).status).toBe(202);
    expect(statesOf(await listen(first.id))).toEqual(["running", "interrupted"]);
    expect(await show(first.id)).toMatchObject({
      cancelledBy: "admin (token test)",
      error: { code: "interrupted" },
    });
    // As one is stopped that it has started itself, and one that runs when it ends.
    const second = await post({ kind: "backup", database: "data" });
    await ask("DELETE", `/api/jobs/${second.id}`);
    expect(statesOf(await listen(second.id))).toEqual(["running", "interrupted"]);
    const third = await post({ kind: "backup", database: "data" });
    expect(await served.stop("SIGTERM")).toBe(0);
    await start();
    expect(await show(third.id)).toMatchObject({ state: "interrupted", cancelledBy: null });
    await held.disposeAsync();
  });

  test("a restore takes the place of the database once it is confirmed, and is undone; rows that are missing are put back", async () => {
    await runSql(live.url, "delete from item where id <= 40");
    const swap = { kind: "restore", database: "data", options: { to: "swap" } };
    const planned = await ask("POST", "/api/plans", swap);
    expect(planned.status, JSON.stringify(planned.body)).toBe(200);
    expect(PlanJson.parse(planned.body)).toMatchObject({ result: { dryRun: true } });
    for (const confirm of [undefined, { name: "dta" }]) {
      const refused = await ask("POST", "/api/jobs", { ...swap, confirm });
      expect([refused.status, ErrorJson.parse(refused.body).error.code]).toEqual([409, "not_confirmed"]);
    }
    expect(await rows()).toBe(60);
    const confirm = { name: "data" };
    const swapped = await post({ ...swap, confirm });
    expect(statesOf(await listen(swapped.id))).toEqual(["running", "done"]);
    expect(await rows()).toBe(100);
    const undone = await post({ kind: "undo-restore", database: "data", confirm });
    expect(statesOf(await listen(undone.id))).toEqual(["running", "done"]);
    expect(await rows()).toBe(60);

    const missing = {
      kind: "missing-rows",
      database: "data",
      options: { tables: ["public.item"], where: "id > 10" },
    };
    const looked = PlanJson.parse((await ask("POST", "/api/plans", missing)).body);
    expect(looked.result).toMatchObject({ tables: [{ name: "item", missing: { rows: 30 } }] });
    expect(await rows()).toBe(60);
    const inserted = await post({ ...missing, confirm });
    expect(statesOf(await listen(inserted.id))).toEqual(["running", "done"]);
    expect(await rows()).toBe(90);
    const { result } = await show(inserted.id);
    await runSql(live.url, await readFile((result as { undoFile: string }).undoFile, "utf8"));
    expect(await rows()).toBe(60);
    const lost = await ask("POST", "/api/plans", { ...missing, database: "other" });
    expect([lost.status, ErrorJson.parse(lost.body).error.code]).toEqual([404, "backup_missing"]);
  });

  test("a drill is run, and its steps are told", async () => {
    const options = { scenario: "server-lost", note: "by mouse" };
    const { id } = await post({ kind: "drill", database: "data", options });
    const events = await listen(id);
    expect(statesOf(events)).toEqual(["running", "done"]);
    const steps = events
      .flatMap((event) => (event.kind === "plan" ? event.steps : []))
      .map((step) => step.id);
    expect(steps).toContain("restore");
    const told = events.flatMap((event) => (event.kind === "step" ? [`${event.id} ${event.outcome}`] : []));
    expect(told).toEqual(steps.flatMap((step) => [`${step} begun`, `${step} done`]));
    expect((await show(id)).result).toMatchObject({ scenario: "server-lost", notes: ["by mouse"] });
  });

  test("the plan of several as of one moment says what each comes back to", async () => {
    const together = { scenario: "together", with: ["other"], at: new Date().toISOString() };
    const none = await ask("POST", "/api/plans", { kind: "recover", database: "data", options: together });
    // It has none.
    expect([none.status, ErrorJson.parse(none.body).error.message]).toEqual([
      404,
      expect.stringContaining("other"),
    ]);
    const { with: _with, ...alone } = together;
    const plan = await ask("POST", "/api/plans", { kind: "recover", database: "data", options: alone });
    expect(PlanJson.parse(plan.body).result).toMatchObject({
      outputs: { "data.source": "backup", skewMs: 0 },
    });
  });

  test("a recovery elsewhere is planned and begun without its password being told or kept", async () => {
    const to = new URL(live.url);
    to.pathname = "/nowhere";
    to.password = "geheim-geheim";
    const body = {
      kind: "recover",
      database: "data",
      options: { scenario: "server-lost", to: [{ database: "data", url: to.href }] },
    };
    const plan = await ask("POST", "/api/plans", body);
    expect(PlanJson.parse(plan.body).result).toMatchObject({
      aim: { target: expect.stringContaining("nowhere") },
    });
    // It ends at once, for there is no such backup.
    const { id, options } = await post({
      ...body,
      options: { ...body.options, backup: "20200101T000000Z-0000" },
      confirm: { name: "data" },
    });
    expect(options).toMatchObject({ to: [{ url: expect.stringMatching(/^postgresql:.*\/nowhere$/) }] });
    expect(statesOf(await listen(id))).toEqual(["running", "failed"]);
    const shown = await show(id);
    expect(shown.error?.message).toContain("no backup");
    expect(JSON.stringify([plan.body, options, shown, await listen(id)])).not.toContain("geheim");
  });

  test.each([
    ["no kind", { database: "data" }, 400, "usage"],
    ["an unknown kind", { kind: "drop", database: "data" }, 400, "usage"],
    ["an unknown database", { kind: "backup", database: "nobody" }, 400, "usage"],
    ["a database that is an option", { kind: "backup", database: "--url=postgresql://evil" }, 400, "usage"],
    ["a line break", { kind: "backup", database: "data", options: { entry: "a\nb" } }, 400, "usage"],
    ["an unknown option", { kind: "backup", database: "data", options: { url: "x" } }, 400, "usage"],
    [
      "a backup that is none",
      { kind: "verify", database: "data", options: { backup: "--repair" } },
      400,
      "usage",
    ],
    [
      "a place for what is not recovered",
      {
        kind: "recover",
        database: "data",
        options: { scenario: "server-lost", to: [{ database: "other", url: "postgresql:///x" }] },
        confirm: { name: "data" },
      },
      400,
      "usage",
    ],
    [
      "a drill from a service that does not run it",
      { kind: "drill", database: "data", options: { scenario: "server-lost", from: "provider" } },
      409,
      "not_confirmed",
    ],
    ["a path", { kind: "verify", database: "data", options: { backup: "../x" } }, 400, "usage"],
  ])("%s is refused", async (_, body, status, code) => {
    const answer = await ask("POST", "/api/jobs", body);
    expect([answer.status, ErrorJson.parse(answer.body).error.code]).toEqual([status, code]);
  });

  test("an entry whose name is an option is taken for a name", async () => {
    const { id } = await post({ kind: "backup", database: "data", options: { entry: "--full-read" } });
    await listen(id);
    expect((await show(id)).error?.message).toContain("--full-read");
  });

  test("a strategy is looked at before it is in force", async () => {
    const of = async (text: string): Promise<unknown> =>
      (await ask("POST", "/api/strategy/validate", { text })).body;
    expect(await of("version: 1\ndatabases:\n  data: { urll: x }\n")).toMatchObject({
      valid: false,
      problems: expect.arrayContaining([expect.objectContaining({ line: 3 })]) as unknown,
    });
    expect(await of(await readFile(join(folder.path, "handled.yaml"), "utf8"))).toEqual({
      valid: true,
      problems: [],
    });
  });

  test("there is no such job", async () => {
    for (const id of ["20200101T000000.000Z-00000000", "..%2f..%2fetc"]) {
      for (const [method, path] of [
        ["GET", `/api/jobs/${id}`],
        ["GET", `/api/jobs/${id}/events`],
        ["DELETE", `/api/jobs/${id}`],
      ] as const) {
        const answer = await ask(method, path);
        expect([400, 404]).toContain(answer.status);
        expect(["usage", "job_missing"]).toContain(ErrorJson.parse(answer.body).error.code);
      }
    }
  });
});
