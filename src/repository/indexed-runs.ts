import { createHash } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { errorCode, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Repository } from "./repository.ts";
import {
  IndexDamaged,
  type ListedMonth,
  type MonthAnswer,
  type RunFacts,
  RunIndex,
  type RunQuery,
} from "./run-index.ts";
import type { RunFile } from "./run-file.ts";
import { type ListedRuns, listMonth, readMonth } from "./runs.ts";

/** The ended runs of a database in one repository, from the index where there is one that can be used. */
export interface IndexedRuns extends Disposable {
  /** Fails like `readMonth`. */
  month(month: string, query: RunQuery, begun: readonly string[]): Promise<MonthAnswer>;
  /** What can be told of all runs of a month without their records. */
  facts(month: string): Promise<readonly RunFacts[]>;
}

const NO_CACHE = ["ENOENT", "EACCES", "EROFS"];

/**
 * Opens the index of a repository's history, a file of our own in the user's cache folder, or makes it. One that is damaged, or of
 * another version, is made anew; where none can be used, that is noted, and the repository itself is read.
 * @param anew forget the one that is there
 */
export async function openIndexedRuns(
  runtime: Runtime,
  repository: Repository,
  database: string,
  anew: boolean,
  signal: AbortSignal,
): Promise<IndexedRuns> {
  const path = indexPath(runtime, repository, database);
  let index: RunIndex | undefined;
  const close = (): void => {
    index?.[Symbol.dispose]();
    index = undefined;
  };
  const giveUp = (error: unknown): void => {
    close();
    // A user without a home folder, such as a service's, has no cache; that is nothing to tell each time.
    if (!anew && NO_CACHE.includes(errorCode(error) ?? "")) return;
    runtime.reporter.note(
      `the index of the history ${path ?? "in the cache folder"} is not used: ${messageOf(error)}; the repository is read instead`,
    );
  };
  const renew = async (): Promise<void> => {
    close();
    if (path === undefined) return;
    for (const end of ["", "-journal", "-wal", "-shm"]) await rm(`${path}${end}`, { force: true });
    index = await openIndex(path, false);
  };
  try {
    if (path !== undefined) index = await openIndex(path, anew);
  } catch (error) {
    if (!isDamaged(error)) giveUp(error);
    else await renew().catch(giveUp);
  }
  const ask = async <T>(
    month: string,
    fromIndex: (index: RunIndex, listed: ListedMonth) => Promise<T>,
    fromRuns: (runs: readonly RunFile[]) => T,
  ): Promise<T> => {
    for (let tries = 0; index !== undefined; tries++) {
      const used = index;
      try {
        return await listMonth(
          runtime,
          repository,
          { database, month },
          async (listed: ListedRuns) => await fromIndex(used, { month, ...listed }),
          signal,
        );
      } catch (error) {
        if (!isOfIndex(error)) throw error;
        if (isDamaged(error) && tries === 0) await renew().catch(giveUp);
        else giveUp(error);
      }
    }
    return fromRuns(await readMonth(runtime, repository, { database, month }, signal));
  };
  return {
    month: async (month, query, begun) =>
      await ask(
        month,
        async (used, listed) => await used.month(listed, query, begun),
        (runs) => answerFrom(runs, query, begun),
      ),
    facts: async (month) =>
      await ask(
        month,
        async (used, listed) => await used.facts(listed),
        (runs) => runs.map(factsFrom),
      ),
    [Symbol.dispose]: close,
  };
}

/** Undefined where there is no folder for it. */
function indexPath(runtime: Runtime, { file }: Repository, database: string): string | undefined {
  const { XDG_CACHE_HOME: xdg = "", HOME: home = "" } = runtime.env;
  // The XDG specification: a relative path there is invalid and to be ignored.
  const cache = isAbsolute(xdg) ? xdg : isAbsolute(home) ? join(home, ".cache") : undefined;
  if (cache === undefined) return undefined;
  const name = createHash("sha256").update(database).digest("hex").slice(0, 16);
  return join(cache, "handled", "history", `${file.id}-${name}.sqlite`);
}

async function openIndex(path: string, anew: boolean): Promise<RunIndex> {
  const folder = join(path, "..");
  // A home folder that is not there, of a user who has none, is not ours to make.
  for (const each of [join(folder, "../.."), join(folder, ".."), folder]) {
    await mkdir(each, { mode: 0o700 }).catch((error: unknown) => {
      if (errorCode(error) !== "EEXIST") throw error;
    });
  }
  // SQLite would make it readable for everybody; its journals get the mode of the file.
  await using _file = await open(path, "a", 0o600);
  return new RunIndex(path, anew);
}

// SQLite's result codes (sqlite.org/rescode.html): error, corrupt, constraint, mismatch, not a database.
const DAMAGED = [1, 11, 19, 20, 26];

/** Whether a new file would help. */
function isDamaged(error: unknown): boolean {
  if (error instanceof IndexDamaged) return true;
  const result = error instanceof Error && "errcode" in error ? Number(error.errcode) : undefined;
  return result !== undefined && DAMAGED.includes(result & 0xff);
}

function isOfIndex(error: unknown): boolean {
  return error instanceof IndexDamaged || errorCode(error) === "ERR_SQLITE_ERROR";
}

function answerFrom(
  runs: readonly RunFile[],
  { from, before, operation, failed, wanted, limit }: RunQuery,
  begun: readonly string[],
): MonthAnswer {
  const there = new Set(runs.map(({ id }) => id));
  const found = runs.filter(
    (run) =>
      run.startedAt >= from &&
      (before === undefined || run.id < before) &&
      (operation === undefined || run.operation === operation) &&
      (!failed || run.outcome !== "done") &&
      wanted(run),
  );
  return {
    runs: found.toReversed().slice(0, limit),
    ended: begun.filter((id) => there.has(id)),
  };
}

function factsFrom({ id, startedAt, operation, outcome, proven = null }: RunFile): RunFacts {
  return { id, startedAt, operation, outcome: outcome ?? "", proven };
}
