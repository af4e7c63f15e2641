import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv, promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { builtProgram } from "./support/built-program.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { identityIn, type TestIdentity } from "./support/keys.ts";
import { freshBucket, s3Environment } from "./support/object-store.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";
import { ARCHIVE, shopRepository, THIRD } from "./support/shop-repository.ts";

const run = promisify(execFile);

/**
 * Types a line into the shell of a machine that has nothing: an empty home, no strategy, and these variables.
 * @param identity is put where the page asks for it
 */
async function onBareMachine(
  line: string,
  env: Record<string, string>,
  identity?: TestIdentity,
): Promise<string> {
  await using folder = await temporaryFolder();
  const bin = join(folder.path, "bin");
  const home = join(folder.path, "home");
  await mkdir(bin);
  await mkdir(home);
  const program = join(bin, "handled");
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${builtProgram("main")}' "$@"\n`);
  await chmod(program, 0o755);
  if (identity !== undefined) await copyFile(identity.file, join(home, "identity.txt"));
  const { hostname, port, username, password } = new URL(clusterUrl());
  const { stdout } = await run("bash", ["-c", line], {
    cwd: home,
    env: {
      PATH: `${bin}:${process.env["PATH"]}`,
      HOME: home,
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: password,
      ...env,
    },
  });
  return stdout;
}

const SQL = `
  create schema shop;
  create table shop.orders as select i as id, md5(i::text) as text from generate_series(1, 3000) i;
`;
const SUM = "select count(*)::int as n, sum(hashtext(text))::text as hash from shop.orders";

/** The commands on a page of text. */
const linesOf = (page: string, start: string): string[] =>
  page.split("\n").flatMap((line) => (line.startsWith(`    ${start}`) ? [line.trim()] : []));

const PLACES = ["a folder", "a bucket"] as const;

interface Shop extends AsyncDisposable {
  readonly live: FreshDatabase;
  readonly folder: string;
  /** Where the database is, and where its backups go. */
  readonly options: readonly string[];
  /** What the place takes to be reached. */
  readonly access: Record<string, string>;
}

async function shopFor(place: (typeof PLACES)[number]): Promise<Shop> {
  const owned = new AsyncDisposableStack();
  const live = owned.use(await freshDatabase({ sql: SQL }));
  const folder = owned.use(await temporaryFolder()).path;
  const bucket = place === "a bucket" ? await freshBucket() : undefined;
  return {
    live,
    folder,
    options: ["--url", live.url, "--repository", bucket?.url ?? join(folder, "it's here")],
    access: bucket === undefined ? {} : s3Environment(bucket),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

describe("the line on the page brings the database back on a machine that has nothing", () => {
  for (const place of PLACES) {
    for (const kind of ["archive", "snapshot"] as const) {
      test(`${kind} in ${place}`, async () => {
        await using there = await shopFor(place);
        const { live, options, access: env } = there;
        expect(await runCli(["backup", ...options, "--kind", kind], { env })).toMatchObject({ code: 0 });
        const before = await live.query(SUM);
        const kit = await runCli(["kit", ...options], { env });
        expect(kit).toMatchObject({ code: 0 });
        const lines = linesOf(kit.stdout, "handled restore");
        expect(lines).toHaveLength(1);
        // The disaster.
        await runSql(clusterUrl(), `drop database "${live.name}" with (force)`);
        await onBareMachine(lines[0] ?? "", env);
        expect(await runSql(live.url, SUM)).toEqual(before);
        for (const secret of Object.values(env).slice(1)) expect(kit.stdout).not.toContain(secret);
      });
    }
  }
});

/** How archives are written, and the program that the page says brings each back. */
const ARCHIVES = [
  { written: "gzip", program: "gunzip ", asked: [] },
  { written: "zstd", program: "zstd ", asked: ["--compression", "zstd"] },
  { written: "custom", program: "pg_restore ", asked: ["--format", "custom"] },
] as const;

test.each(ARCHIVES)("the way without Handled, as it stands on the page: $written", async (archive) => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const options = ["--url", live.url, "--repository", folder.path];
  expect(await runCli(["backup", ...options, ...archive.asked])).toMatchObject({ code: 0 });
  const before = await live.query(SUM);
  const { stdout } = await runCli(["kit", ...options]);
  await runSql(clusterUrl(), `drop database "${live.name}" with (force)`);
  await onBareMachine(archiveLines(stdout, "cd ", archive.program), {});
  expect(await runSql(live.url, SUM)).toEqual(before);
});

/** A backup host that has the recipient and its own key alone. */
function sealedHost(folder: string): { owner: TestIdentity; env: Record<string, string> } {
  const env = { HOME: join(folder, "host"), XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" };
  return { owner: identityIn(folder), env };
}

describe("encrypted: the page says to whom, and its line works with the identity beside it", () => {
  for (const place of PLACES) {
    // Every pair was met above.
    const kind = place === "a bucket" ? "archive" : "snapshot";
    test(`${kind} in ${place}`, async () => {
      await using there = await shopFor(place);
      const { live, options, access } = there;
      const { owner, env: keys } = sealedHost(there.folder);
      const env = { ...keys, ...access };
      const recipient = ["--recipient", owner.recipient];
      expect(await runCli(["backup", ...options, ...recipient, "--kind", kind], { env })).toMatchObject({
        code: 0,
      });
      const before = await live.query(SUM);
      const file = join(there.folder, "kit.txt");
      const asked = ["kit", ...options, "--with-secrets", "--file", file];
      expect(await runCli(asked, { env })).toMatchObject({ code: 0 });
      const page = await readFile(file, "utf8");
      expect(page).toContain(owner.recipient);
      expect(page.replaceAll(/\s+/g, " ")).toContain("The identity itself is never known here");
      expect(page).not.toContain("AGE-SECRET-KEY");
      const lines = linesOf(page, "handled restore");
      expect(lines).toHaveLength(1);
      await runSql(clusterUrl(), `drop database "${live.name}" with (force)`);
      await expect(onBareMachine(lines[0] ?? "", access)).rejects.toThrow(/identity\.txt/);
      await onBareMachine(lines[0] ?? "", access, owner);
      expect(await runSql(live.url, SUM)).toEqual(before);
    });
  }

  test("a machine without any key, and one that cannot reach the place, still print whose identity it takes", async () => {
    await using live = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    const { owner, env } = sealedHost(folder.path);
    const options = ["--url", live.url, "--repository", join(folder.path, "repository")];
    await runCli(["backup", ...options, "--recipient", owner.recipient], { env });
    const kit = await runCli(["kit", ...options], { env: { ...env, HOME: join(folder.path, "elsewhere") } });
    expect(kit).toMatchObject({ code: 3 });
    expect(kit.stdout).toContain(owner.recipient);
    expect(linesOf(kit.stdout, "handled restore")[0]).toContain("--identity identity.txt");
    const strategy = join(folder.path, "handled.yaml");
    const away = `{ url: ${join(folder.path, "away")}, recipients: [${owner.recipient}] }`;
    await writeFile(
      strategy,
      `version: 1\nrepositories:\n  usb: ${away}\ndatabases:\n  shop: { url: "${live.url}", repository: usb }\n`,
    );
    const unread = await runCli(["kit", "--config", strategy], { env });
    expect(unread).toMatchObject({ code: 3 });
    expect(linesOf(unread.stdout, "handled restore")[0]).toContain("--identity identity.txt");
  });

  test.each([...ARCHIVES, { written: "snapshot", program: undefined, asked: ["--kind", "snapshot"] }])(
    "without Handled, with age: $written",
    async ({ program, asked }) => {
      await using live = await freshDatabase({ sql: SQL });
      await using folder = await temporaryFolder();
      const { owner, env } = sealedHost(folder.path);
      const options = ["--url", live.url, "--repository", join(folder.path, "it's sealed")];
      const backup = await runCli(["backup", ...options, "--recipient", owner.recipient, ...asked], { env });
      expect(backup, backup.stderr).toMatchObject({ code: 0 });
      const before = await live.query(SUM);
      const { stdout } = await runCli(["kit", ...options], { env });
      await runSql(clusterUrl(), `drop database "${live.name}" with (force)`);
      const lines = program === undefined ? snapshotLines(stdout) : archiveLines(stdout, "age ", program);
      await onBareMachine(lines, {}, owner);
      expect(await runSql(live.url, SUM)).toEqual(before);
    },
  );
});

/** @param starts of the line that gets at the archive, and of the one that loads it */
function archiveLines(page: string, ...[get, load]: readonly [string, string]): string {
  const lines = [get, "echo ", "createdb ", load].flatMap((start) => linesOf(page, start));
  expect(lines).toHaveLength(4);
  return ["set -euo pipefail", ...lines].join("\n");
}

/** All lines of the page but those of Handled, with those that it says to change changed. */
function snapshotLines(page: string): string {
  const [, byHand = ""] = page.split("\nWithout Handled\n");
  const all = byHand.split("\n").flatMap((line) => (line.startsWith("    ") ? [line.slice(4)] : []));
  // Its own stand between the lines that open files and those of a snapshot.
  const own = [
    all.findLast((line) => line.startsWith("identity=")),
    all.find((line) => line.startsWith("cd ")),
    all.find((line) => line.startsWith("backup=")),
  ];
  const [identity = "", folder = "", backup = ""] = own;
  const change = (line: string): string => {
    if (line.startsWith("identity=")) return identity;
    if (line.startsWith("cd ")) return folder;
    return line.startsWith("backup=") ? backup : line;
  };
  return all
    .filter((line) => !own.includes(line))
    .map(change)
    .join("\n");
}

test("the page's line for all of it brings back two databases and the strategy from a sealed bucket", async () => {
  await using primary = await freshDatabase({ sql: SQL });
  await using data = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const bucket = await freshBucket();
  const { owner, env: keys } = sealedHost(folder.path);
  const database = (name: string, criticality: string) => ({
    url: `\${${name}_URL}`,
    variable: `${name}_URL`,
    criticality,
    backups: [{ name: "nightly", kind: "snapshot" }],
  });
  const started = join(folder.path, "started");
  const envFile = join(folder.path, ".env");
  await writeFile(envFile, "DATA_URL=gone\nPRIMARY_URL=gone\n");
  const strategy = JSON.stringify({
    version: 1,
    timezone: "UTC",
    repositories: {
      // Under names that the new machine does not have.
      spaces: {
        url: bucket.url,
        accessKey: "${SPACES_ID}",
        secretKey: "${SPACES_SECRET}",
        recipients: [owner.recipient],
      },
    },
    application: { stop: "true", start: `echo started >> '${started}'`, envFile },
    databases: { data: database("DATA", "low"), primary: database("PRIMARY", "critical") },
  });
  await writeFile(join(folder.path, "handled.yaml"), strategy, { mode: 0o600 });
  const { accessKey, secretKey } = bucket.keys;
  const urls = { DATA_URL: data.url, PRIMARY_URL: primary.url };
  const host = {
    cwd: folder.path,
    env: { ...keys, ...urls, SPACES_ID: accessKey, SPACES_SECRET: secretKey },
  };
  const taken = await runCli(["backup"], host);
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const before = await data.query(SUM);
  const kit = await runCli(["kit"], host);
  expect(kit, kit.stderr).toMatchObject({ code: 0 });
  const lines = linesOf(kit.stdout, "handled recover everything-lost");
  expect(lines).toHaveLength(1);
  for (const { name } of [data, primary]) await runSql(clusterUrl(), `drop database "${name}" with (force)`);
  // Nobody is there to be asked.
  const written = await onBareMachine(
    `${lines[0]} --yes >&2 && cat handled.yaml`,
    s3Environment(bucket),
    owner,
  );
  expect(written).toBe(strategy);
  for (const { url } of [data, primary]) expect(await runSql(url, SUM)).toEqual(before);
  const pointed = parseEnv(await readFile(envFile, "utf8"));
  for (const name of ["DATA_URL", "PRIMARY_URL"])
    expect(await runSql(pointed[name] ?? "", SUM)).toEqual(before);
  expect(await readFile(started, "utf8")).toBe("started\n");
});

const STRATEGY = (place: string): string => `version: 1
timezone: Europe/Berlin
repositories:
  spaces: { url: "s3://nowhere/x?endpoint=http://127.0.0.1:9", accessKey: "\${SPACES_ID}", secretKey: "\${SPACES_SECRET}" }
  local: { url: ${place} }
databases:
  shop: { url: "postgresql://ada:hunter2@db.example.net/shop", repository: local }
  lost: { url: "postgresql://ada:hunter2@db.example.net/lost", repository: spaces }
contacts:
  - { name: "<b>Ada & Bob</b>", role: on call, phone: "+44 20 7946 0000" }
`;

test("credentials by name only, unless asked; a repository that is away is told; HTML escapes everything", async () => {
  await using there = await shopRepository();
  await writeFile(join(there.path, "handled.yaml"), STRATEGY(there.place));
  const env = { SPACES_ID: "id-4711", SPACES_SECRET: "very-secret-4711" };
  const options = { cwd: there.path, env };
  const html = join(there.path, "kit.html");
  const result = await runCli(["kit", "--file", html], options);
  expect(result).toMatchObject({ code: 3, stdout: "" });
  const page = await readFile(html, "utf8");
  expect(page).toContain("&lt;b&gt;Ada &amp; Bob&lt;/b&gt;");
  expect(page).not.toContain("<b>Ada");
  expect(page).toContain("AWS_SECRET_ACCESS_KEY");
  expect(page).toContain("SPACES_SECRET");
  expect(page).toContain("could not be read when this was printed");
  expect(page).toContain(THIRD);
  expect(page).toContain(ARCHIVE);
  for (const secret of ["hunter2", "4711"]) expect(page).not.toContain(secret);
  expect((await stat(html)).mode & 0o777).toBe(0o600);

  const refused = await runCli(["kit", "--with-secrets"], options);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  const text = join(there.path, "kit.txt");
  await runCli(["kit", "--with-secrets", "--file", text], options);
  const open = await readFile(text, "utf8");
  expect(open).toContain("id-4711");
  expect(open).toContain("very-secret-4711");
  expect(open).not.toContain("hunter2");
});

test("a database in several places: one line for each, and nothing twice", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const places = ["near", "far"].map((name) => join(folder.path, name));
  const repositories = places.map((url, at) => `  r${at}: { url: ${url} }\n`);
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1\nrepositories:\n${repositories.join("")}databases:\n  -shop: { url: "${live.url}", repositories: [r0, r1] }\n`,
  );
  const options = { cwd: folder.path };
  expect(await runCli(["backup", "--", "-shop"], options)).toMatchObject({ code: 0 });
  const before = await live.query(SUM);
  const kit = await runCli(["kit"], options);
  expect(kit).toMatchObject({ code: 0 });
  const lines = linesOf(kit.stdout, "handled restore");
  expect(lines).toHaveLength(2);
  for (const [at, line] of lines.entries()) expect(line).toContain(places[at]);
  const [, section = ""] = kit.stdout.split("\nBring the databases back\n");
  const own = section.slice(0, section.indexOf("\nWhere the backups are\n")).split("\n").filter(Boolean);
  expect(own.filter((line, at) => own.indexOf(line) !== at)).toEqual([]);
  for (const line of lines) {
    await runSql(clusterUrl(), `drop database if exists "${live.name}" with (force)`);
    await onBareMachine(line, {});
    expect(await runSql(live.url, SUM)).toEqual(before);
  }
  expect(jsonOf(await runCli(["kit", "--json"], options))["databases"]).toHaveLength(2);
});
