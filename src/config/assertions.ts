import { z } from "zod";
import { AppError } from "../errors.ts";
import { duration, LONGEST_TIMEOUT } from "./durations.ts";
import { environmentVariable } from "./fields.ts";

// Kept in the proof with what came of it.
const LONGEST_SQL = 10_000;

/** A query that is true of every copy that is worth anything. */
const Assertion = z.strictObject({
  name: z.string().min(1).max(100).optional().describe("How messages call it; without it by its SQL"),
  expect: z
    .string()
    .trim()
    .min(1)
    .max(LONGEST_SQL)
    .describe(
      "A query that gives one row with one boolean column, which is true: `select count(*) > 0 from t`",
    ),
  timeout: duration(LONGEST_TIMEOUT).prefault("60s").describe("How long the query may take"),
});
export type Assertion = z.output<typeof Assertion>;

/** The application as it is tried on a restored copy. */
const TrialApplication = z
  .strictObject({
    start: z
      .string()
      .min(1)
      .describe(
        "Shell command that runs the application and stays until it is ended; the shell itself expands variables in it",
      ),
    stop: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Shell command that stops it, for one whose `start` returns; whatever then still runs of it is ended by signals",
      ),
    health: z
      .string()
      .regex(/^\/\S*$/, "must be a path that begins with `/`: the port is one that is free")
      .describe("Path that answers with a 2xx status when the application works, on the port it was given"),
    healthTimeout: duration(LONGEST_TIMEOUT)
      .prefault("60s")
      .describe("How long it may take to become healthy after its start"),
    databaseVariable: environmentVariable()
      .prefault("DATABASE_URL")
      .describe("Environment variable that has the URL of the restored copy"),
    portVariable: environmentVariable()
      .prefault("PORT")
      .describe("Environment variable that has the port it is to listen on, on 127.0.0.1"),
    environment: z
      .array(environmentVariable())
      .prefault([])
      .describe(
        "Variables of ours that it gets, too. Otherwise it gets none but such as PATH and HOME: one of them could lead it to the live database",
      ),
  })
  .refine(
    ({ environment, databaseVariable, portVariable }) =>
      databaseVariable !== portVariable &&
      !environment.includes(databaseVariable) &&
      !environment.includes(portVariable),
    "must name each variable once: `environment`, `databaseVariable` and `portVariable` are different ones",
  );
export type TrialApplication = z.output<typeof TrialApplication>;

/** Keys of a database: what a restored copy must hold up to, beside having the content of the backup. */
export const assertedKeys = {
  assertions: z
    .array(Assertion)
    .prefault([])
    .describe("What must be true of a restored copy, at the level `assertions`"),
  trial: TrialApplication.optional().describe(
    "The application as it is tried on a restored copy, at the level `assertions`: started, asked whether it works, and ended",
  ),
};

export interface Asserted {
  readonly assertions: readonly Assertion[];
  readonly application: TrialApplication | undefined;
}

/** An assertion of the command line. Fails with `usage`. */
export function assertionOf(expect: string): Assertion {
  const parsed = Assertion.safeParse({ expect });
  if (parsed.success) return parsed.data;
  throw new AppError("usage", `read \`--expect\`: a query has 1 to ${LONGEST_SQL} characters`);
}
