import type { Access } from "../access/access.ts";
import { keepAudit } from "../access/audit-copies.ts";
import { hasKeptUsers, keepUsers } from "../access/users-copies.ts";
import type { Strategy } from "../config/strategy.ts";
import { AppError, messageOf } from "../errors.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import type { Cli } from "./cli.ts";
import { openStrategyPlace } from "./open-place.ts";

/**
 * Brings users and audit log to every repository of the strategy that there is, for the day when this machine is lost. What cannot be done
 * is told once, and done at a later time.
 */
export class SystemKeeper {
  readonly #cli: Cli;
  readonly #access: Access;
  readonly #told = new Map<string, string>();
  /** Repositories that were asked whether they keep users, for there are none here. */
  readonly #asked = new Set<string>();

  constructor(cli: Cli, access: Access) {
    this.#cli = cli;
    this.#access = access;
  }

  async keep(strategy: Strategy, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#cli;
    const { users, audit } = this.#access;
    for (const { name } of strategy.repositories) {
      const isNew = users.list().length === 0 && audit.list(Number.MAX_SAFE_INTEGER, 1).length === 0;
      // Where nobody has done anything, no repository is opened again for it.
      if (isNew && this.#asked.has(name)) continue;
      try {
        const place = openStrategyPlace(this.#cli, strategy, name, {});
        await this.#keepIn(name, await openRepository(runtime, place, signal), signal);
        this.#told.delete(name);
      } catch (error) {
        if (!(error instanceof AppError) || signal.aborted) throw error;
        const text = `users and audit log are not kept in ${name}: ${messageOf(error)}`;
        // The first backup makes it; and where there is nothing to keep, whoever backs up tells what is wrong.
        if (error.code === "repository_missing" || isNew || this.#told.get(name) === text) continue;
        this.#told.set(name, text);
        runtime.reporter.warn(text);
      }
    }
  }

  async #keepIn(name: string, repository: Repository, signal: AbortSignal): Promise<void> {
    const { clock, reporter } = this.#cli.runtime;
    // The users first: a log that has more to say about them than they are tells that they are old.
    const kept = await keepUsers(repository, this.#access, clock.now().toISOString(), signal);
    if (kept === "replaced")
      reporter.warn(
        `somebody has changed the users that are kept in ${name}; they were written anew, and nobody here was changed`,
      );
    if (kept === "none" && !this.#asked.has(name)) {
      this.#asked.add(name);
      if (await hasKeptUsers(repository, signal))
        reporter.warn(
          `nobody can sign in here, and ${name} keeps the users of a machine: \`handled user restore --from ${name}\` shows them, and takes them back`,
        );
    }
    await keepAudit(repository.storage, this.#access.audit, signal);
  }
}
