import type { Audit } from "../access/audit.ts";
import { compareAudit, type ComparedAudit, keepAudit } from "../access/audit-copies.ts";
import type { Strategy } from "../config/strategy.ts";
import { AppError, messageOf } from "../errors.ts";
import { openRepository } from "../repository/repository.ts";
import type { Cli } from "./cli.ts";
import { openStrategyPlace } from "./open-place.ts";

/** Brings the audit log to every repository of the strategy that there is. What cannot be done is told once, and done at a later time. */
export class AuditKeeper {
  readonly #cli: Cli;
  readonly #audit: Audit;
  readonly #told = new Map<string, string>();

  constructor(cli: Cli, audit: Audit) {
    this.#cli = cli;
    this.#audit = audit;
  }

  async keep(strategy: Strategy, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#cli;
    // Where nobody has done anything, no repository is opened for it.
    if (this.#audit.list(Number.MAX_SAFE_INTEGER, 1).length === 0) return;
    for (const { name } of strategy.repositories) {
      try {
        const { storage } = await openRepository(
          runtime,
          openStrategyPlace(this.#cli, strategy, name, {}),
          signal,
        );
        await keepAudit(storage, this.#audit, signal);
        this.#told.delete(name);
      } catch (error) {
        if (!(error instanceof AppError) || signal.aborted) throw error;
        const text = `the audit log is not kept in ${name}: ${messageOf(error)}`;
        // The first backup makes it.
        if (error.code === "repository_missing" || this.#told.get(name) === text) continue;
        this.#told.set(name, text);
        runtime.reporter.warn(text);
      }
    }
  }
}

/** A repository that could not be read. */
export interface UnreadAudit {
  readonly place: string;
  readonly failure: AppError;
}

/** Holds the log against what each repository of the strategy keeps of it. */
export async function auditInPlaces(
  cli: Cli,
  strategy: Strategy,
  audit: Audit,
): Promise<readonly (ComparedAudit | UnreadAudit)[]> {
  const found: (ComparedAudit | UnreadAudit)[] = [];
  for (const { name } of strategy.repositories) {
    try {
      const place = openStrategyPlace(cli, strategy, name, {});
      const { storage } = await openRepository(cli.runtime, place, cli.signal);
      found.push(await compareAudit(storage, audit, cli.signal));
    } catch (error) {
      if (!(error instanceof AppError) || cli.signal.aborted) throw error;
      found.push({ place: name, failure: error });
    }
  }
  return found;
}
