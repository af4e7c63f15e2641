import { restartApplication, waitUntilHealthy } from "../operations/application.ts";
import { resolveConnection } from "../postgres/connection.ts";
import type { Ground } from "../recovery/ground.ts";
import type { RecoveryApplication } from "../recovery/subject.ts";
import type { Cli } from "./cli.ts";
import type { Target } from "./targets.ts";

/**
 * The real thing: the database's own address, or the one of `--to`, and the application that works on it.
 * @param to as the user gave it; undefined: where the strategy says the database is
 */
export function productionGround(cli: Cli, target: Target, to: string | undefined): Ground {
  return {
    isDrill: false,
    target: async () =>
      to === undefined ? await target.connection() : await resolveConnection(cli.runtime, to, cli.signal),
    live: async () => await target.connection(),
    application: (_subject, moves = to !== undefined) => applicationOf(cli, target, moves),
  };
}

/** @param moves whether the database has another address afterwards */
function applicationOf(cli: Cli, { entry }: Target, moves: boolean): RecoveryApplication | null {
  const application = entry?.application;
  if (application === undefined) return null;
  const { envFile, restart, stop, start, health } = application;
  const name = entry?.variable;
  return {
    variable: !moves || envFile === undefined || name === undefined ? null : { file: envFile, name },
    described: {
      restart: restart ?? `${stop}; ${start}`,
      check: health === undefined ? null : `GET ${cli.runtime.secrets.redact(health)}`,
    },
    restart: async (signal) => {
      await restartApplication(cli.runtime, application, signal);
    },
    check: async (_on, signal) => {
      await waitUntilHealthy(cli.runtime, application, signal);
    },
  };
}
