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
function applicationOf(cli: Cli, target: Target, moves: boolean): RecoveryApplication | null {
  const application = target.entry?.application;
  if (application === undefined) return null;
  const { restart, stop, start, health } = application;
  return {
    variable: moves ? variableOf(target) : null,
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

/** The variable by which an application finds a database; null where the strategy names none. */
export function variableOf({ entry }: Target): RecoveryApplication["variable"] {
  const envFile = entry?.application?.envFile;
  const name = entry?.variable;
  return envFile === undefined || name === undefined ? null : { file: envFile, name };
}
