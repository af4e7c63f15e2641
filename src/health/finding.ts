import type { StrategyDatabase } from "../config/strategy.ts";

export type Severity = "critical" | "warning" | "notice";

/** Something that is not as it should be. While it stays so, `id`, `database` and `subject` together stay the same. */
export interface Finding {
  /** The check that found it: `backup-overdue`. */
  readonly id: string;
  /** Null where it is about a place or this machine. */
  readonly database: string | null;
  /** What it is about: a table, a place, an entry of the strategy, a file; empty for the database itself. */
  readonly subject: string;
  readonly severity: Severity;
  /** What is wrong, with its figures: a sentence in lower case without a full stop. */
  readonly message: string;
  /** The figures for programs; their names say the unit. */
  readonly evidence: Readonly<Record<string, string | number | null>>;
  /** What to do about it. */
  readonly hint: string | null;
}

export type Criticality = StrategyDatabase["criticality"] | null;

/**
 * How much a check weighs. `promise`: what the strategy promises is not kept. `risk`: it may turn out not to be. `defect`:
 * something does not work as it should. `remark`: worth a look, and no reason to call a database unhealthy.
 */
type Weight = "promise" | "risk" | "defect" | "remark";

/** Every check there is. `docs/health.md` describes each. */
export const CHECKS = {
  "backup-overdue": "promise",
  "own-backup-overdue": "defect",
  "clock-wrong": "risk",
  "backup-damaged": "risk",
  "copy-degraded": "defect",
  "repository-unreadable": "promise",
  "backup-refused": "risk",
  "repository-full": "defect",
  "lock-ending": "defect",
  "file-exposed": "defect",
  "proof-overdue": "defect",
  "never-proven": "remark",
  "restore-slow": "risk",
  "restore-slow-predicted": "defect",
  "drill-failed": "defect",
  "drill-overdue": "defect",
  "recovery-over-objective": "risk",
  "table-shrunk": "risk",
  "table-grown": "remark",
  "table-vanished": "defect",
  "table-appeared": "remark",
  "source-missing": "risk",
  "source-unreadable": "risk",
  "source-shrunk": "risk",
  "server-unreachable": "risk",
  "client-too-old": "risk",
  "privilege-missing": "risk",
  "clock-skew": "defect",
  "database-half-made": "defect",
  "provider-unreachable": "defect",
  "provider-backup-missing": "risk",
  "provider-backup-stale": "risk",
  "provider-backup-shrunk": "risk",
  "run-failed": "defect",
  "run-degraded": "defect",
  "run-unended": "defect",
  "history-unreadable": "defect",
  "duty-overdue": "defect",
  "strategy-broken": "defect",
  "runbook-not-written": "defect",
  "runbook-edited": "remark",
  "schedule-not-firing": "defect",
  "schedule-not-installed": "remark",
} as const satisfies Record<string, Weight>;
export type CheckId = keyof typeof CHECKS;

/** What a finding of this weight means for a database; where nobody says how critical it is, it is taken for `medium`. */
export function severityOf(weight: Weight, criticality: Criticality): Severity {
  switch (weight) {
    case "promise":
      return criticality === "low" ? "warning" : "critical";
    case "risk":
      return criticality === "critical" || criticality === "high" ? "critical" : "warning";
    case "defect":
      return "warning";
    case "remark":
      return "notice";
  }
}

/** What a check says; the rest follows from the check and the database. */
interface Said {
  readonly subject?: string;
  readonly message: string;
  readonly hint: string | null;
  readonly evidence?: Finding["evidence"];
}

export function finding(
  id: CheckId,
  of: { readonly database: string | null; readonly criticality: Criticality },
  { subject = "", message, hint, evidence = {} }: Said,
): Finding {
  const severity = severityOf(CHECKS[id], of.criticality);
  return { id, database: of.database, subject, severity, message, evidence, hint };
}

/** Whether nothing worse than a remark was found. */
export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity === "notice");
}
