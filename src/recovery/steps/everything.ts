import { AppError, isAppError, messageOf } from "../../errors.ts";
import { writeDurable } from "../../lib/durable.ts";
import { isThere } from "../../lib/is-there.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { chooseClient, findClients } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { openRepository } from "../../repository/repository.ts";
import type { Step } from "../plan.ts";
import { compareLive, compareWithBackup } from "./restore-backup.ts";
import { describeTarget, type Subject } from "../subject.ts";
import { output } from "../plan.ts";

/** A database to bring back, and where it goes. */
export interface Returning {
  readonly subject: Subject;
  readonly target: ConnectionSettings;
}

/** A person says that there are servers again; each is asked whether it is there. */
export function provisionStep(
  runtime: Runtime,
  databases: readonly Returning[],
  { budgetMs, asks }: { readonly budgetMs: number; readonly asks: boolean },
): Step {
  const targets = databases.map(({ target }) => target);
  const servers = serversOf(targets);
  const names = databases.map(({ subject }) => subject.database).join(",");
  return {
    id: "provision",
    title: "Set up the servers",
    runs: `a person: machines with PostgreSQL at ${servers.join(" and ")}`,
    checkedBy: "each of them lets us in",
    budgetMs,
    ifItFails:
      "set up what does not answer, or say with `--to NAME=URL` where else a database goes, and go on",
    confirm: asks
      ? { what: `the servers ${servers.join(" and ")} are set up: recover onto them`, name: names }
      : null,
    run: async () => await Promise.resolve({}),
    check: async (_outputs, signal) => {
      for (const target of targets) {
        await using _session = await connectBeside(runtime, target, [target.database], signal);
      }
    },
  };
}

/** The places of all servers, each once: `db1:5432`. */
function serversOf(targets: readonly ConnectionSettings[]): string[] {
  return [...new Set(targets.map(({ hosts }) => hosts.map(({ host, port }) => `${host}:${port}`).join(",")))];
}

/** A strategy that a repository keeps, and where it goes on a machine that has none. */
export interface KeptStrategy {
  readonly text: string;
  readonly path: string;
}

/** Users of the dashboard that a repository keeps, for a machine that has none. */
export interface ReturningUsers {
  /** In words: how many, from where, as of when. */
  readonly described: string;
  /** Makes them those of this machine. Nothing where it has them already. */
  take(): Promise<void>;
  /** Throws unless it has users. */
  check(): Promise<void>;
}

/** The users of the dashboard come back. */
export function usersStep(runtime: Runtime, users: ReturningUsers, budgetMs: number): Step {
  return {
    id: "users",
    title: "Take back the users",
    runs: `handled user restore: ${users.described}`,
    checkedBy: "this machine knows who may sign in",
    budgetMs,
    ifItFails: "see that this machine can write its state folder, and go on",
    confirm: null,
    run: async () => {
      runtime.observer("before", "take back the users");
      await users.take();
      runtime.observer("after", "take back the users");
      return {};
    },
    check: async () => await users.check(),
  };
}

/** Sees that this machine has all it takes: programs, a key that opens the repositories, and a strategy from then on. */
export function machineStep(
  runtime: Runtime,
  databases: readonly Returning[],
  strategy: KeptStrategy | null,
  budgetMs: number,
): Step {
  return {
    id: "machine",
    title: "Install",
    runs: `handled doctor${strategy === null ? "" : `; the strategy is written to ${strategy.path}`}`,
    checkedBy: "PostgreSQL's programs are there and new enough, and a key here opens the repositories",
    budgetMs,
    ifItFails: "install what the error names, and go on",
    confirm: null,
    run: async () => {
      if (strategy === null || (await isThere(strategy.path))) return {};
      runtime.observer("before", "write the strategy");
      await writeDurable(strategy.path, strategy.text);
      runtime.observer("after", "write the strategy");
      runtime.reporter.note(`the strategy that the repository keeps is in ${strategy.path} now`);
      return {};
    },
    check: async (_outputs, signal) => {
      const clients = await findClients(runtime, signal);
      for (const { subject, target } of databases) {
        await using session = await connectBeside(runtime, target, [target.database], signal);
        chooseClient(clients, session.serverVersion);
        await requireOpen(runtime, subject, signal);
      }
    },
  };
}

/** One place of several is enough; where none opens, the first says why. */
async function requireOpen(
  runtime: Runtime,
  { database, places }: Subject,
  signal: AbortSignal,
): Promise<void> {
  const failures: AppError[] = [];
  for (const { name, storage } of places) {
    try {
      await openRepository(runtime, storage, signal);
      return;
    } catch (error) {
      if (!isAppError(error) || signal.aborted) throw error;
      failures.push(error);
      if (places.length > 1) runtime.reporter.warn(`${database}: ${name}: ${messageOf(error)}`);
    }
  }
  throw failures[0] ?? new AppError("unexpected", `open the repository of ${database}: it has none`);
}

/**
 * Sees that a database answers and has the rows of its backup. Where an application works on it by then, only tables that are
 * missing are an error.
 */
export function rowsStep(
  runtime: Runtime,
  { subject, target }: Returning,
  { budgetMs, inUse }: { readonly budgetMs: number; readonly inUse: boolean },
): Step {
  return {
    id: "rows",
    title: `See that ${describeTarget(target)} answers`,
    runs: `select count(*) of each table of ${subject.database}`,
    checkedBy: "every table has as many rows as in its backup",
    budgetMs,
    ifItFails: "look into the database; `handled diff` tells more",
    confirm: null,
    run: async (outputs, signal) => {
      const compare = async () =>
        await compareWithBackup(
          runtime,
          subject,
          { which: output(outputs, "backup"), target, selection: { schemas: [], tables: [] } },
          signal,
        );
      if (inUse) await compareLive(runtime, compare);
      else await compare();
      return {};
    },
    // What was seen a moment ago is not seen again.
    check: async () => {},
  };
}
