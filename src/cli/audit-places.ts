import type { Audit } from "../access/audit.ts";
import { compareAudit, type ComparedAudit } from "../access/audit-copies.ts";
import type { Strategy } from "../config/strategy.ts";
import { AppError } from "../errors.ts";
import { openRepository } from "../repository/repository.ts";
import type { Cli } from "./cli.ts";
import { openStrategyPlace } from "./open-place.ts";

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
