import { expect } from "vitest";
import type { BackedUp } from "./backed-up.ts";
import { type CliProcess, spawnCli } from "./cli.ts";
import { clusterUrl, runSql } from "./postgres.ts";

/** A function for a check constraint: where a row of this number is loaded by a restore, the load stays there. */
export const pauseSql = (schema: string, id: number): string => `
create function ${schema}.pause(id int) returns boolean language plpgsql as $$ begin
  if id = ${id} and current_database() like 'handled\\_restoring%' then perform pg_sleep(1000); end if; return true; end $$;`;

export interface Stuck extends AsyncDisposable {
  readonly running: CliProcess;
  /** The half-made database. */
  readonly making: string;
  /** Process id of the server's side of the load. */
  readonly loader: number;
}

export interface StuckOptions {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly server?: string;
}

/** The real program in the middle of a restore of a database that has `pauseSql`, where it stays. */
export async function stuckRestore(
  shop: BackedUp,
  { args, env = {}, server = clusterUrl() }: StuckOptions,
): Promise<Stuck> {
  const place = args.includes("--config") ? [] : ["--url", shop.live.url, "--repository", shop.repository];
  const running = spawnCli(["restore", shop.live.name, "latest", ...args, ...place], { env });
  const stuck = `select datname as making, pid as loader from pg_stat_activity
    where wait_event = 'PgSleep' and datname ~ '^handled_restoring_.*_${running.pid}_[0-9]+$'`;
  await expect
    .poll(async () => running.ended() || (await runSql(server, stuck)).length > 0, {
      timeout: 45_000,
      interval: 20,
    })
    .toBe(true);
  if (running.ended()) throw new Error(`the restore ended: ${(await running.result).stderr}`);
  const [found] = await runSql<{ making: string; loader: number }>(server, stuck);
  return {
    running,
    making: found?.making ?? "",
    loader: found?.loader ?? 0,
    [Symbol.asyncDispose]: async () => {
      if (!running.ended()) process.kill(running.pid, "SIGKILL");
      await running.result;
      await runSql(server, `drop database if exists ${found?.making ?? "none"} with (force)`);
    },
  };
}
