import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SHOP_API } from "../../src/demo/shop-api.ts";
import type { ApplicationCommands } from "../../src/operations/application.ts";
import { freePort } from "../../src/postgres/free-port.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const PM2 = fileURLToPath(new URL("../../node_modules/pm2/bin/pm2", import.meta.url));

/** What a database answered to the application. */
interface ApiHealth {
  readonly database: string;
  readonly rows: number;
}

/** A small API under a pm2 of its own. */
export interface Pm2Api extends AsyncDisposable {
  /** Its `.env`. */
  readonly envFile: string;
  /** What the environment of its commands needs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By which it is controlled; the first start is the caller's. */
  readonly commands: ApplicationCommands & { readonly health: string };
  /** What `/health` says of the database of a variable; undefined unless it is healthy. */
  health(variable: string): Promise<ApiHealth | undefined>;
}

/**
 * Prepares an API that counts the rows of a table in each database. Disposing ends pm2 and the API.
 * @param urls what its `.env` says, by variable
 * @param tables the table of each variable
 */
export async function pm2Api(
  urls: Readonly<Record<string, string>>,
  tables: Readonly<Record<string, string>>,
): Promise<Pm2Api> {
  const folder = await temporaryFolder();
  const envFile = join(folder.path, ".env");
  const home = join(folder.path, "pm2");
  const port = await freePort();
  await writeFile(
    envFile,
    Object.entries(urls)
      .map(([name, url]) => `${name}="${url}"\n`)
      .join(""),
  );
  const apps = join(folder.path, "apps.json");
  const args = [envFile, String(port), ...Object.entries(tables).map(([name, table]) => `${name}=${table}`)];
  const app = { name: "shop-api", script: SHOP_API, interpreter: process.execPath, args };
  await writeFile(apps, JSON.stringify({ apps: [app] }));
  const pm2 = `'${process.execPath}' '${PM2}'`;
  const env = {
    PM2_HOME: home,
    // Without these the first start asks a server on the internet whether there is a newer pm2.
    PM2_DISCRETE_MODE: "true",
    PM2_DISABLE_VERSION_CHECK: "true",
    NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
  };
  const health = `http://127.0.0.1:${port}/health`;
  return {
    envFile,
    env,
    commands: {
      stop: `${pm2} stop shop-api`,
      start: `${pm2} startOrRestart '${apps}' --update-env`,
      restart: `${pm2} restart shop-api --update-env`,
      health,
      healthTimeoutMs: 60_000,
    },
    health: async (variable) => {
      const response = await fetch(health);
      if (!response.ok) return undefined;
      return ((await response.json()) as Record<string, ApiHealth>)[variable];
    },
    [Symbol.asyncDispose]: async () => {
      const pid = await readFile(join(home, "pm2.pid"), "utf8").catch(() => undefined);
      // Without a daemon `pm2 kill` would start one.
      if (pid !== undefined)
        await promisify(execFile)(process.execPath, [PM2, "kill"], { env: { ...process.env, ...env } });
      await folder[Symbol.asyncDispose]();
    },
  };
}
