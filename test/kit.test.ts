import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { runCli } from "./support/cli.ts";
import { freshBucket, s3Environment } from "./support/object-store.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder } from "./support/postgres.ts";
import { ARCHIVE, shopRepository, THIRD } from "./support/shop-repository.ts";

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

/** Types a line into the shell of a machine that has nothing: an empty home, no strategy, and these variables. */
async function onBareMachine(line: string, env: Record<string, string>): Promise<string> {
  await using folder = await temporaryFolder();
  const bin = join(folder.path, "bin");
  const home = join(folder.path, "home");
  await mkdir(bin);
  await mkdir(home);
  const program = join(bin, "handled");
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  await chmod(program, 0o755);
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

describe("the line on the page brings the database back on a machine that has nothing", () => {
  for (const place of ["a folder", "a bucket"] as const) {
    for (const kind of ["archive", "snapshot"] as const) {
      test(`${kind} in ${place}`, async () => {
        await using live = await freshDatabase({ sql: SQL });
        await using folder = await temporaryFolder();
        const bucket = place === "a bucket" ? await freshBucket() : undefined;
        const repository = bucket?.url ?? join(folder.path, "it's here");
        const env = bucket === undefined ? {} : s3Environment(bucket);
        const options = ["--url", live.url, "--repository", repository];
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

test("the way without Handled, as it stands on the page", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const options = ["--url", live.url, "--repository", folder.path];
  await runCli(["backup", ...options]);
  const before = await live.query(SUM);
  const { stdout } = await runCli(["kit", ...options]);
  const lines = ["cd ", "echo ", "createdb ", "gunzip "].flatMap((start) => linesOf(stdout, start));
  expect(lines).toHaveLength(4);
  await runSql(clusterUrl(), `drop database "${live.name}" with (force)`);
  await onBareMachine(["set -euo pipefail", ...lines].join("\n"), {});
  expect(await runSql(live.url, SUM)).toEqual(before);
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
}, 30_000);
