import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { z } from "zod";
import { errorCode } from "../src/errors.ts";
import { systemClock } from "../src/lib/clock.ts";
import type { Cluster } from "../src/postgres/cluster.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { type HttpReceiver, httpReceiver } from "./support/http-receiver.ts";
import { inMountNamespace } from "./support/mounts.ts";
import { freshCluster, freshDatabase, type FreshDatabase, temporaryFolder } from "./support/postgres.ts";

// As often as `handled schedule install` has it.
const STEP_MS = 15 * 60_000;
// With those of the first two faults enough to tell what is usual.
const NIGHTS = 3;
const SQL = `create table product as select n as id, md5(n::text) as name from generate_series(1, 500) n;
  create role backer login password 'b'; grant select on product to backer`;

const owned = new AsyncDisposableStack();
let server: Cluster;
let live: FreshDatabase;
let receiver: HttpReceiver;
let folder: string;
/** The repository, on a small disk of its own. */
let place: string;
let steps = 0;

beforeAll(async () => {
  folder = owned.use(await temporaryFolder()).path;
  [server, receiver, place] = await Promise.all([freshCluster(), httpReceiver(), smallDisk()]);
  owned.use(server);
  owned.use(receiver);
  live = await freshDatabase({ cluster: server.url(), name: "data", sql: SQL });
  const url = new URL(live.url);
  [url.username, url.password] = ["backer", "b"];
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: { disk: { url: place } },
    databases: {
      data: {
        url: url.toString(),
        criticality: "critical",
        backups: [{ name: "nightly", kind: "snapshot" }],
      },
    },
    notify: { channels: { pager: { kind: "webhook", url: receiver.url, secret: "s" } } },
  };
  await writeFile(join(folder, "handled.yaml"), stringify(strategy), { mode: 0o600 });
  for (let night = 0; night < NIGHTS; night++) expect((await backUp()).code).toBe(0);
  await look();
  receiver.requests.length = 0;
});
afterAll(async () => await owned.disposeAsync());

/** A disk of 8 MB in a mount namespace of its own, which a process keeps alive; what is mounted there only it would see. */
async function smallDisk(): Promise<string> {
  const disk = join(folder, "disk");
  await mkdir(disk);
  const [program = "", ...args] = inMountNamespace(
    `mount -t tmpfs -o size=8m tmpfs '${disk}' && echo there && exec cat`,
  );
  const holder = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  owned.defer(async () => {
    holder.stdin.end();
    if (holder.exitCode === null) await once(holder, "exit");
  });
  await once(holder.stdout, "data");
  return `/proc/${holder.pid}/root${disk}/repository`;
}

/** Each command a quarter of an hour after the one before; nothing else is made up. */
async function handled(...args: string[]): Promise<CliResult> {
  const at = steps++ * STEP_MS;
  const clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + at) };
  return await runCli(["--config", join(folder, "handled.yaml"), ...args], { env: { HOME: folder }, clock });
}

const backUp = async (): Promise<CliResult> => await handled("backup", "data");

const Said = z.array(z.object({ id: z.string(), subject: z.string() }));
const Alert = z.object({ event: z.literal("alert"), opened: Said, closed: Said });

interface Told {
  readonly opened: readonly string[];
  readonly closed: readonly string[];
}

/** What the receiver was told after a look, as `id subject`. */
async function look(): Promise<Told> {
  const before = receiver.requests.length;
  await handled("status", "--connect", "--notify");
  const alerts = receiver.requests.slice(before).map(({ body }) => Alert.parse(JSON.parse(body)));
  const named = (which: "opened" | "closed"): string[] =>
    alerts.flatMap((alert) => alert[which].map(({ id, subject }) => `${id} ${subject}`.trim()));
  return { opened: named("opened"), closed: named("closed") };
}

test("the server is stopped", async () => {
  await server.stop();
  expect((await look()).opened).toEqual(["server-unreachable"]);
  expect((await look()).opened).toEqual([]);
  await server.start();
  expect((await look()).closed).toEqual(["server-unreachable"]);
});

test("the disk is filled", async () => {
  const filler = join(place, "../filler");
  await writeFile(filler, Buffer.alloc(16 * 1024 * 1024)).catch((error: unknown) => {
    if (errorCode(error) !== "ENOSPC") throw error;
  });
  // There is something new to be stored.
  await live.query("update product set name = name || 'x'");
  expect((await backUp()).code).toBe(23);
  const { opened } = await look();
  expect(opened).toContain("repository-full disk");
  await rm(filler);
  expect((await backUp()).code).toBe(0);
  expect((await look()).closed.toSorted()).toEqual(opened.toSorted());
});

test("an object of a backup is deleted", async () => {
  const keys = await readdir(place, { recursive: true });
  const newest = await backUpAnew();
  const part = (await readdir(place, { recursive: true })).find(
    (key) => key.includes("/parts/") && /[0-9a-f]{32}/.test(key) && !keys.includes(key),
  );
  const [at, aside] = [join(place, part ?? "none"), join(place, "../aside")];
  await rename(at, aside);
  expect((await handled("verify", "data", "--level", "integrity")).code).toBe(13);
  expect((await look()).opened).toContain(`backup-damaged ${newest}`);
  await rename(aside, at);
  expect((await handled("verify", "data", "--level", "integrity")).code).toBe(0);
  expect((await look()).closed).toContain(`backup-damaged ${newest}`);
});

test("a table is emptied", async () => {
  await live.query("create table kept as table product; truncate product; grant select on kept to backer");
  expect((await backUp()).code).toBe(0);
  expect((await look()).opened).toContain("table-shrunk public.product");
  await live.query("insert into product table kept");
  expect((await backUp()).code).toBe(0);
  expect((await look()).closed).toContain("table-shrunk public.product");
});

test("a privilege is revoked", async () => {
  await live.query("revoke select on product from backer");
  expect((await backUp()).code).toBe(22);
  expect((await look()).opened).toEqual(["privilege-missing privileges", "run-failed backup nightly"]);
  await live.query("grant select on product to backer");
  expect((await backUp()).code).toBe(0);
  expect((await look()).closed.toSorted()).toEqual([
    "privilege-missing privileges",
    "run-failed backup nightly",
  ]);
});

/** The identity of a backup that has rows that none before has. */
async function backUpAnew(): Promise<string> {
  await live.query("update product set name = name || 'y'");
  const result = await handled("backup", "data", "--json");
  expect(result.code, result.stderr).toBe(0);
  return String(jsonOf(result)["id"]);
}
