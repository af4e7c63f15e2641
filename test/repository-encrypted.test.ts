import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckJson, RepairJson, UsageJson } from "../src/json/repository.ts";
import { RepositoryFile } from "../src/repository/manifest.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { identityIn, type TestIdentity } from "./support/keys.ts";
import { freshDatabase, type FreshDatabase, temporaryFolder, uniqueName } from "./support/postgres.ts";

const SQL =
  "create table t as select i as id, md5(i::text) as text from generate_series(1, 3000) i; create table u as select * from t";

/** A backup host with a strategy, the recipient and its own key; the identity is elsewhere. */
interface Host extends AsyncDisposable {
  readonly live: FreshDatabase;
  readonly place: string;
  readonly owner: TestIdentity;
  readonly run: (args: readonly string[], home?: string) => Promise<CliResult>;
  readonly nameRecipients: (...recipients: string[]) => Promise<void>;
}

async function host(): Promise<Host> {
  const owned = new AsyncDisposableStack();
  const live = owned.use(await freshDatabase({ sql: SQL }));
  const { path } = owned.use(await temporaryFolder());
  const owner = identityIn(path);
  const strategy = join(path, "handled.yaml");
  const place = join(path, "repository");
  const nameRecipients = async (...recipients: string[]): Promise<void> => {
    const repository = `{ url: ${place}${recipients.length === 0 ? "" : `, recipients: [${recipients.join(", ")}]`} }`;
    await writeFile(
      strategy,
      `version: 1\nrepositories:\n  local: ${repository}\ndatabases:\n  shop: { url: "${live.url}", repository: local }\n`,
    );
  };
  await nameRecipients(owner.recipient);
  return {
    live,
    place,
    owner,
    nameRecipients,
    run: async (args, home = "host") =>
      await runCli(["--config", strategy, ...args], {
        env: { HOME: join(path, home), XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" },
      }),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

async function backup({ run }: Host, ...args: string[]): Promise<Record<string, unknown>> {
  const result = await run(["backup", "--json", ...args]);
  expect(result.code, result.stderr).toBe(0);
  return jsonOf(result);
}

async function check({ run }: Host): Promise<{ code: number | null; found: string[]; hints: string }> {
  const result = await run(["repository", "check", "--json"]);
  const [one] = CheckJson.parse(jsonOf(result)).places;
  expect(one?.encrypted).toBe(true);
  const findings = one?.findings ?? [];
  return {
    code: result.code,
    found: findings.map(({ id, level }) => `${level} ${id}`),
    hints: findings.map(({ hint }) => hint).join("\n"),
  };
}

async function usage({ run }: Host) {
  const result = await run(["repository", "usage", "--json"]);
  expect(result.code, result.stderr).toBe(0);
  const [database] = UsageJson.parse(jsonOf(result)).places[0]?.databases ?? [];
  if (database === undefined) throw new Error("nothing was shown");
  return database;
}

const fileOf = ({ place }: Host): string => join(place, "repository.json");
const fileIn = async (there: Host): Promise<RepositoryFile> =>
  RepositoryFile.parse(JSON.parse(await readFile(fileOf(there), "utf8")));

async function restores({ run, live, owner }: Host): Promise<void> {
  await using restored = expectedDatabase(uniqueName());
  const target = ["restore", "shop", "latest", "--new-database", restored.name, "--identity", owner.file];
  const result = await run(target, "elsewhere");
  expect(result.code, result.stderr).toBe(0);
  expect(await contentsOf(restored.url)).toEqual(await contentsOf(live.url));
}

test("the host alone checks, counts what really lies there, and repairs", async () => {
  await using there = await host();
  const { place, live } = there;
  await backup(there, "--kind", "snapshot");
  await live.query("update t set text = 'changed' where id = 7");
  await backup(there, "--kind", "snapshot");
  await backup(there, "--kind", "archive");
  expect(await check(there)).toMatchObject({ code: 0, found: [] });
  const { stdout } = await there.run(["repository", "check"]);
  expect(stdout).toContain("`handled verify --identity FILE` is what proves them");

  const found = await usage(there);
  const shop = join(place, "shop");
  const files = (await readdir(shop, { recursive: true, withFileTypes: true })).filter((one) => one.isFile());
  let lies = 0;
  for (const { parentPath, name } of files) lies += (await stat(join(parentPath, name))).size;
  expect(found.storedBytes).toBe(lies);
  const archive = files.find(({ name }) => name.endsWith(".age"));
  expect(found.stored.archives.bytes).toBe((await stat(join(shop, archive?.name ?? ""))).size);
  expect(found.deduplication).toBeGreaterThan(1);
  // What deleting one frees is what then is gone.
  const oldest = found.backups.at(-1);
  await rm(join(shop, "backups", oldest?.id ?? ""), { recursive: true });
  const after = await usage(there);
  expect(after.storedBytes + (oldest?.ownBytes ?? 0) - after.stored.orphans.bytes).toBe(lies);

  const [part = ""] = (await readdir(join(shop, "parts"), { recursive: true })).filter((name) =>
    name.includes("-"),
  );
  await rm(join(shop, "parts", part));
  const repaired = await there.run(["repository", "repair", "--yes", "--json"]);
  expect([0, 3]).toContain(repaired.code);
  const next = await backup(there, "--kind", "snapshot");
  expect(next["parts"]).toMatchObject({ read: expect.any(Number) });
  await restores(there);
});

test.each(["missing", "damaged"])(
  "%s repository.json of an encrypted repository: no backup makes one up",
  async (how) => {
    await using there = await host();
    await backup(there, "--kind", "snapshot");
    if (how === "missing") await rm(fileOf(there));
    else await writeFile(fileOf(there), "{");
    const before = (await readdir(there.place, { recursive: true })).toSorted();
    const refused = await there.run(["backup", "--kind", "snapshot"]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("handled repository repair");
    await there.nameRecipients();
    expect((await there.run(["backup", "--kind", "snapshot"])).code).toBe(1);
    expect((await readdir(there.place, { recursive: true })).toSorted()).toEqual(before);
  },
);

test.each(["missing", "damaged"])(
  "%s repository.json: written anew where the sealing is certain",
  async (how) => {
    await using there = await host();
    await backup(there, "--kind", "snapshot");
    const old = await fileIn(there);
    if (how === "missing") await rm(fileOf(there));
    else await writeFile(fileOf(there), "{");
    expect(await check(there)).toMatchObject({ code: 4, found: ["problem repository-file"] });
    const repaired = await there.run(["repository", "repair", "--yes", "--json"]);
    expect(repaired.code, repaired.stderr).toBe(0);
    expect(RepairJson.parse(jsonOf(repaired)).places[0]?.steps[0]?.message).toContain("handled key rewrap");
    // A host alone cannot see whether its recipients are the ones: nothing old is taken over.
    expect((await fileIn(there)).sealing).toEqual({ ...old.sealing, mixed: true });
    expect(await backup(there, "--kind", "snapshot")).toMatchObject({ parts: { reused: 0 } });
    await restores(there);

    await rm(fileOf(there));
    const shown = await there.run(["repository", "repair", "--yes", "--identity", there.owner.file]);
    expect(shown.code, shown.stderr).toBe(0);
    expect((await fileIn(there)).sealing).toEqual(old.sealing);
    await there.live.query("insert into t values (0, 'new')");
    await backup(there, "--kind", "snapshot");
    await restores(there);
  },
);

test("where the sealing is not certain it is left as it is, and the reason is told", async () => {
  await using there = await host();
  await using folder = await temporaryFolder();
  const other = identityIn(folder.path, "other");
  await backup(there, "--kind", "snapshot");
  await rename(fileOf(there), `${fileOf(there)}.away`);
  const naming = join(there.place, "system");
  const files = async () => (await readdir(there.place, { recursive: true })).toSorted();
  const before = await files();
  const refuses = async (code: number, reason: string, home = "host"): Promise<void> => {
    const refused = await there.run(["repository", "repair", "--yes"], home);
    expect(refused, refused.stderr).toMatchObject({ code, stdout: "" });
    expect(refused.stderr).toContain(reason);
    expect(refused.stderr).toContain("copy repository.json back");
    expect(await files()).toEqual(before);
  };
  await refuses(12, "no key that is known here opens", "elsewhere");
  await there.nameRecipients(there.owner.recipient, other.recipient);
  await refuses(1, "sealed to 2 keys");
  await there.nameRecipients();
  await refuses(1, "no recipients are named");
  const found = await check(there);
  expect(found).toMatchObject({ code: 4, found: ["problem repository-file", "note unknown-names"] });
  expect(found.hints).toContain("copy repository.json back");
  await there.nameRecipients(there.owner.recipient);
  const [key = ""] = await readdir(naming);
  await rename(join(naming, key), join(folder.path, key));
  before.splice(before.indexOf(`system/${key}`), 1);
  await refuses(1, "no index in it can be read");
});
