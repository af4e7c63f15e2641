import { once } from "node:events";
import { createServer } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { httpReceiver } from "../../test/support/http-receiver.ts";
import { noAbort } from "../../test/support/runtime.ts";
import { plainText } from "./plain-text.ts";
import { readStatusPage } from "./status-page.ts";

const component = (id: string, name: string, status: string, more: object = {}): object => ({
  id,
  name,
  status,
  group: false,
  group_id: null,
  page_id: "p1",
  position: 1,
  created_at: "2024-01-01T00:00:00.000Z",
  description: null,
  ...more,
});
const DATABASES = component("g1", "Managed Databases", "partial_outage", { group: true });
const IN_FRA = component("c1", "FRA1", "partial_outage", { group_id: "g1" });
const SPACES = component("c2", "Spaces", "degraded_performance");
const API = component("c3", "API", "operational");
const incident = (name: string, components: readonly object[], more: object = {}): object => ({
  id: name,
  name,
  status: "identified",
  impact: "major",
  created_at: "2026-11-28T13:00:00.000+00:00",
  started_at: null,
  shortlink: "https://stspg.io/x",
  incident_updates: [{ body: "We are on it." }, { body: "We look." }],
  components,
  ...more,
});
const summary = (more: object = {}): string =>
  JSON.stringify({
    page: { id: "p1", name: "A service", url: "https://status.example.com" },
    status: { indicator: "none", description: "All Systems Operational" },
    components: [API],
    incidents: [],
    scheduled_maintenances: [],
    ...more,
  });
const page = async (body: string, status = 200, headers: Record<string, string> = {}) =>
  await httpReceiver(() => ({ status, body, headers }));
const read = async (url: string, timeoutMs?: number) => await readStatusPage(url, noAbort(), timeoutMs);

test("a service without troubles says so; the page's address may end with a slash", async () => {
  await using server = await page(summary());
  const report = { indicator: "none", description: "All Systems Operational", incidents: [], components: [] };
  expect(await read(`${server.url}/`)).toEqual({ report });
  expect(server.requests.map(({ path }) => path)).toEqual(["/api/v2/summary.json"]);
});

test("incidents and components of databases come first, whatever they are called by; planned work counts while it goes on", async () => {
  const planned = (status: string): object =>
    incident(`Planned ${status}`, [SPACES], { status, impact: "maintenance", scheduled_for: "2026-11-30" });
  const body = summary({
    status: { indicator: "major", description: "Partial System Outage" },
    components: [SPACES, DATABASES, IN_FRA, API],
    incidents: [
      incident("Slow uploads", [SPACES], { incident_updates: [] }),
      incident("Connections fail", [IN_FRA], { started_at: "2026-11-28T12:30:00.000Z" }),
      incident("Elevated errors of PostgreSQL", [], { components: undefined, created_at: "soon" }),
    ],
    scheduled_maintenances: [planned("scheduled"), planned("in_progress")],
  });
  await using server = await page(body);
  const since = new Date("2026-11-28T13:00:00Z");
  const found = { status: "identified", impact: "major", latest: "We are on it.", since };
  expect(await read(server.url)).toEqual({
    report: {
      indicator: "major",
      description: "Partial System Outage",
      incidents: [
        { ...found, name: "Connections fail", databases: true, since: new Date("2026-11-28T12:30:00Z") },
        { ...found, name: "Elevated errors of PostgreSQL", databases: true, since: null },
        { ...found, name: "Slow uploads", databases: false, latest: "" },
        {
          ...found,
          name: "Planned in_progress",
          databases: false,
          status: "in_progress",
          impact: "maintenance",
        },
      ],
      components: [
        { name: "Managed Databases: FRA1", status: "partial_outage", databases: true },
        { name: "Spaces", status: "degraded_performance", databases: false },
      ],
    },
  });
});

test.each([
  ["a page for people", "<!doctype html><title>All systems operational</title>", 200, /is no summary/],
  ["other JSON", '{"status":"ok"}', 200, /is no summary/],
  ["an error", summary(), 500, /^it answered 500$/],
  ["nothing", "", 204, /^it answered 204$/],
])("%s is an explanation", async (_, body, status, problem) => {
  await using server = await page(body, status);
  expect(await read(server.url)).toEqual({ problem: expect.stringMatching(problem) });
});

test("one redirection is followed, not two, and not to anything but a page", async () => {
  await using server = await page(summary());
  const sendingTo = async (location: string) => await page("", 301, { location });
  await using moved = await sendingTo(`${server.url}/api/v2/summary.json`);
  await using twice = await sendingTo(moved.url);
  await using elsewhere = await sendingTo("file:///etc/passwd");
  expect(await read(moved.url)).toHaveProperty("report.indicator", "none");
  expect(await read(twice.url)).toEqual({ problem: expect.stringMatching(/sends on once more$/) });
  expect(await read(elsewhere.url)).toEqual({ problem: "it sends on to file:///etc/passwd" });
});

test("an endless page, a slow one and none at all are given up", async () => {
  let open = 0;
  const endless = createServer((_, response) => {
    open++;
    response.once("close", () => open--);
    const more = (): void => {
      while (response.write("x".repeat(65_536))) if (response.destroyed) return;
    };
    response.on("drain", more);
    more();
  }).listen(0, "127.0.0.1");
  await once(endless, "listening");
  const { port } = endless.address() as { port: number };
  expect(await read(`http://127.0.0.1:${port}`)).toEqual({ problem: "it is larger than 2.0 MiB" });
  await expect.poll(() => open).toBe(0);
  endless.close();
  await once(endless, "close");
  expect(await read(`http://127.0.0.1:${port}`)).toEqual({
    problem: expect.stringContaining("ECONNREFUSED"),
  });
  await using silent = await httpReceiver(() => "silence");
  expect(await read(silent.url, 50)).toEqual({ problem: "no whole answer in 50 ms" });
});

test("whoever waits for it can stop", async () => {
  await using silent = await httpReceiver(() => "silence");
  const controller = new AbortController();
  const reading = readStatusPage(silent.url, controller.signal);
  controller.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
});

test("words from outside cannot command a terminal", async () => {
  const hostile = "\u001b]0;owned\u0007\u001b[2J\u009b31mDatabase\r\nall \u202efine\u0000";
  const body = summary({
    status: { indicator: hostile, description: hostile },
    components: [component("c", hostile, hostile)],
    incidents: [
      incident(hostile, [], { status: hostile, impact: hostile, incident_updates: [{ body: hostile }] }),
    ],
  });
  await using server = await page(body);
  const answer = await read(server.url);
  expect(answer).toMatchObject({
    report: {
      description: "Database all fine",
      incidents: [{ name: "Database all fine", latest: "Database all fine" }],
      components: [{ name: "Database all fine" }],
    },
  });
  await using moving = await page("", 302, { location: "ftp://x/\u009b2J" });
  expect(JSON.stringify([answer, await read(moving.url)])).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(plainText("It is café 東京, 100 % 🎉")).toBe("It is café 東京, 100 % 🎉");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 100 }), fc.nat(20), (text, times) => {
      const plain = plainText(text.repeat(times));
      return !/[\p{Cc}\p{Cf}\p{Cs}]/u.test(plain) && plain.length <= 500;
    }),
  );
});
