import type { Strategy } from "../config/strategy.ts";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { checkFiles } from "./checks/files.ts";
import { checkSpace } from "./checks/space.ts";
import { gatherFacts, type HealthRequest } from "./facts.ts";
import { type Finding, isHealthy } from "./finding.ts";
import type { PlaceFacts } from "./place-facts.ts";
import { type DatabaseStatus, statusOf, unreadableStatus } from "./status.ts";

export interface Health {
  readonly healthy: boolean;
  readonly databases: readonly DatabaseStatus[];
  /** What is about no single database: places and this machine. */
  readonly findings: readonly Finding[];
}

/**
 * Looks at databases, their places and this machine. Of a database that cannot be looked at that is a finding. Throws only when
 * aborted, and for defects. Writes nothing.
 */
export async function lookAtHealth(
  runtime: Runtime,
  requests: readonly HealthRequest[],
  strategy: Strategy | null,
  signal: AbortSignal,
): Promise<Health> {
  const databases: DatabaseStatus[] = [];
  const places: PlaceFacts[] = [];
  for (const request of requests) {
    try {
      const facts = await gatherFacts(runtime, request, signal);
      places.push(...facts.places);
      databases.push(statusOf(facts));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || signal.aborted) throw error;
      // It must not hide the others.
      databases.push(unreadableStatus(request, error));
    }
  }
  const findings = [...checkSpace(places), ...(await checkFiles(runtime, strategy))];
  return { healthy: databases.every(({ healthy }) => healthy) && isHealthy(findings), databases, findings };
}
