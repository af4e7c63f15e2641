import { chmod, mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import {
  type PostgresClient,
  chooseClient,
  clientProgram,
  findClients,
  majorOf,
  parseVersion,
} from "./clients.ts";

const client = (version: number): PostgresClient => ({
  folder: `/pg/${version}/bin`,
  version,
  label: `${version}`,
});

async function program(folder: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "pg_dump"), `#!/bin/sh\n${text}\n`);
  await chmod(join(folder, "pg_dump"), 0o755);
}

test("the installed clients are found and really run", async () => {
  const clients = await findClients(testRuntime(), noAbort());
  expect(clients.length).toBeGreaterThan(0);
  expect(clients.map((one) => one.version)).toEqual(
    clients.map((one) => one.version).toSorted((a, b) => a - b),
  );
  for (const one of clients) {
    expect(one.label).toMatch(/^pg_dump \(PostgreSQL\) \d+/);
    expect(clientProgram(one, "psql")).toBe(join(one.folder, "psql"));
  }
});

test("clients on the PATH are found once each, broken ones with a warning, Debian's wrapper not at all", async () => {
  await using folder = await temporaryFolder();
  const [ours, again, broken, wrapped, mute] = ["ours", "again", "broken", "wrapped", "mute"].map((name) =>
    join(folder.path, name),
  ) as [string, string, string, string, string];
  await program(ours, "echo 'pg_dump (PostgreSQL) 99.4 (Ours)'");
  await mkdir(again);
  await symlink(join(ours, "pg_dump"), join(again, "pg_dump"));
  await program(broken, "exit 3");
  await program(mute, "echo hello");
  await mkdir(wrapped);
  await writeFile(join(folder.path, "pg_wrapper"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 98.1'\n");
  await chmod(join(folder.path, "pg_wrapper"), 0o755);
  await symlink(join(folder.path, "pg_wrapper"), join(wrapped, "pg_dump"));
  const runtime = testRuntime({
    env: { PATH: [ours, again, broken, wrapped, mute, "relative", ""].join(":") },
  });
  const found = await findClients(runtime, noAbort());
  expect(found.filter((one) => one.folder.startsWith(folder.path))).toEqual([
    { folder: ours, version: 990_004, label: "pg_dump (PostgreSQL) 99.4 (Ours)" },
  ]);
  expect(runtime.warnings).toEqual([
    expect.stringContaining(`${broken}/pg_dump cannot be run`),
    expect.stringContaining(`${mute}/pg_dump does not say its version`),
  ]);
});

test("a program is asked for its version once, and again once it was replaced", async () => {
  await using folder = await temporaryFolder();
  const asked = join(folder.path, "asked");
  const runtime = testRuntime({ env: { PATH: `${folder.path}:${process.env["PATH"] ?? ""}` } });
  const label = async (): Promise<string | undefined> =>
    (await findClients(runtime, noAbort())).find((one) => one.folder === folder.path)?.label;
  await program(folder.path, `echo asked >> '${asked}'; echo 'pg_dump (PostgreSQL) 99.4'`);
  expect([await label(), await label()]).toEqual(["pg_dump (PostgreSQL) 99.4", "pg_dump (PostgreSQL) 99.4"]);
  expect(await readFile(asked, "utf8")).toBe("asked\n");
  await rm(join(folder.path, "pg_dump"));
  await program(folder.path, "echo 'pg_dump (PostgreSQL) 99.5'");
  expect(await label()).toBe("pg_dump (PostgreSQL) 99.5");
});

test.each([
  ["pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 150_018],
  ["pg_dump (PostgreSQL) 17.0", 170_000],
  ["pg_dump (PostgreSQL) 18beta2", 180_000],
  ["pg_dump (PostgreSQL) 9.6.24", 90_624],
  ["something else 15.1", undefined],
])("%s is version %s", (label, version) => {
  expect(parseVersion(label)).toBe(version);
});

test("the lowest major that is not older than the server, and at least 14, is chosen; its newest minor", () => {
  const versions = fc.array(
    fc
      .integer({ min: 10, max: 20 })
      .chain((major) => fc.integer({ min: 0, max: 30 }).map((minor) => major * 10_000 + minor)),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(versions, fc.integer({ min: 90_600, max: 210_005 }), (installed, server) => {
      const needed = Math.max(14, majorOf(server));
      const fitting = installed.filter((version) => majorOf(version) >= needed);
      const choose = (): number => chooseClient(installed.map(client), server).version;
      if (fitting.length === 0) {
        expect(choose).toThrow(expect.objectContaining({ code: "client_missing", exitCode: 21 }));
        return;
      }
      const major = Math.min(...fitting.map(majorOf));
      expect(choose()).toBe(Math.max(...fitting.filter((version) => majorOf(version) === major)));
    }),
  );
});

test("a missing client is answered with the package to install", () => {
  const choose = (): unknown => chooseClient([client(150_018)], 170_002);
  expect(choose).toThrow("choose PostgreSQL client programs of version 17 or newer: installed: 15.18");
  expect(choose).toThrow(
    expect.objectContaining({ hint: expect.stringContaining("apt-get install postgresql-client-17") }),
  );
  expect(() => chooseClient([], 90_624)).toThrow("none is installed");
});
