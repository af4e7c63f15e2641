import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkEnvironment, neededVariables } from "./environment.ts";

const STRATEGY = [
  "version: 1",
  "archivePrefix: ${PREFIX}",
  "repositories:",
  "  main: { url: '${BACKUP_ROOT}/handled' }",
  "databases:",
  "  primary:",
  "    url: ${PRIMARY_DATABASE_URL}",
  "  data:",
  "    url: ${DATA_DATABASE_URL:-service=data}",
  "    application: { stop: 'pm2 stop ${APP}', start: 'pm2 start ${APP}', health: 'http://${HEALTH_HOST}/' }",
  "contacts: [{ name: 'cost is $${FREE}' }]",
].join("\n");
let folder: string;
let strategyPath: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "handled-environment-"));
  strategyPath = join(folder, "handled.yaml");
  await writeFile(strategyPath, STRATEGY);
});
afterAll(() => rm(folder, { recursive: true }));

test("a run needs what is looked up at once, its own database's URL and the repositories'", () => {
  expect(neededVariables(STRATEGY, ["primary"])).toEqual([
    "BACKUP_ROOT",
    "HEALTH_HOST",
    "PREFIX",
    "PRIMARY_DATABASE_URL",
  ]);
  expect(neededVariables(STRATEGY, ["data"])).toEqual(["BACKUP_ROOT", "HEALTH_HOST", "PREFIX"]);
});

test("what the environment file lacks is named", async () => {
  const envFile = join(folder, "handled.env");
  await writeFile(
    envFile,
    "# secrets\nexport BACKUP_ROOT=/srv\nPREFIX='x'\nPRIMARY_DATABASE_URL=\"postgresql://u:a&$b@h/d\"\n",
    { mode: 0o600 },
  );
  const [warning, ...others] = await checkEnvironment({ strategyPath, databases: ["primary"], envFile });
  expect(warning).toContain("1 environment variable ");
  expect(warning).toContain("HEALTH_HOST");
  expect(warning).not.toContain("PREFIX");
  expect(others).toEqual([]);
});

test("without an environment file the way to name one is shown", async () => {
  const [warning] = await checkEnvironment({ strategyPath, databases: ["data"], envFile: undefined });
  expect(warning).toContain("BACKUP_ROOT, HEALTH_HOST, PREFIX");
  expect(warning).toContain("--env-file FILE");
});

test("an environment file that others may read is a warning, and no value of it is shown", async () => {
  const envFile = join(folder, "open.env");
  await writeFile(envFile, "BACKUP_ROOT=sesame\nHEALTH_HOST=h\nPREFIX=p\n");
  await chmod(envFile, 0o644);
  const warnings = await checkEnvironment({ strategyPath, databases: ["data"], envFile });
  expect(warnings).toEqual([expect.stringContaining(`chmod 600 ${envFile}`)]);
  expect(warnings.join("")).not.toContain("sesame");
});

test("an environment file that is not there is an error", async () => {
  const envFile = join(folder, "none.env");
  await expect(checkEnvironment({ strategyPath, databases: [], envFile })).rejects.toMatchObject({
    code: "usage",
  });
});
