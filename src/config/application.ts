import { join, resolve } from "node:path";
import { z } from "zod";
import { duration, LONGEST_TIMEOUT } from "./durations.ts";
import { checked, text } from "./fields.ts";

function healthProblem(address: string): string | undefined {
  const isHttp = URL.canParse(address) && /^https?:$/.test(new URL(address).protocol);
  return isHttp ? undefined : "must be an address that begins with `http://` or `https://`";
}

/** The application that uses databases, as the strategy says it. */
export const ApplicationFile = z.strictObject({
  stop: text().describe(
    "Shell command that stops the application before a swap; the shell itself expands variables in it",
  ),
  start: text().describe(
    "Shell command that starts the application after a swap; the shell itself expands variables in it",
  ),
  restart: text()
    .optional()
    .describe(
      "Shell command that restarts it once a variable in its `envFile` has changed, whether it runs or not; without it `stop`, then `start`",
    ),
  health: checked(healthProblem)
    .optional()
    .describe("Address that answers with a 2xx status once the application works again"),
  healthTimeout: duration(LONGEST_TIMEOUT)
    .prefault("60s")
    .describe("How long the application may take to become healthy after its start"),
  envFile: text()
    .optional()
    .describe(
      "Its `.env`, in which a recovery on another server changes the variable of the database. A relative path starts at the strategy " +
        "file's folder, `~/` at the home folder",
    ),
});

/** Keys of a database: who uses it, and how that is told where it is. */
export const applicationKeys = {
  application: ApplicationFile.optional().describe(
    "The application that uses this database, in place of the common one",
  ),
  variable: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, "must be the name of an environment variable")
    .optional()
    .describe(
      "The variable in the application's `envFile` that holds this database's URL. The application's commands do not get it from " +
        "Handled's own environment, for that would win over the file",
    ),
};

/** The same as the program uses it. */
export interface Application {
  /** Shell commands, as written: their variables are the shell's. */
  readonly stop: string;
  readonly start: string;
  /** Undefined: stop, then start. */
  readonly restart: string | undefined;
  readonly health: string | undefined;
  readonly healthTimeoutMs: number;
  /** Absolute path of its `.env`. */
  readonly envFile: string | undefined;
  /** Variables that its commands do not get from us, for it reads them in its `.env`. */
  readonly withheld: readonly string[];
}

/** Where paths begin: `folder` is the strategy file's, `home` is `~`. */
interface Surroundings {
  readonly folder: string;
  readonly home: string;
  /** All that databases call their `variable`. */
  readonly variables: readonly string[];
}

export function buildApplication(
  application: z.output<typeof ApplicationFile> | undefined,
  { folder, home, variables }: Surroundings,
): Application | undefined {
  if (application === undefined) return undefined;
  const { stop, start, restart, health, healthTimeout, envFile } = application;
  const absolute = (path: string): string =>
    path.startsWith("~/") ? join(home, path.slice(1)) : resolve(folder, path);
  return {
    stop,
    start,
    restart,
    health,
    healthTimeoutMs: healthTimeout,
    envFile: envFile === undefined ? undefined : absolute(envFile),
    withheld: envFile === undefined ? [] : variables,
  };
}

/** Whether a shell command of it stands at this path, which we must not touch. */
export function isApplicationCommandPath(path: readonly PropertyKey[]): boolean {
  const [section, key] = path.slice(-2);
  return section === "application" && (key === "stop" || key === "start" || key === "restart");
}
