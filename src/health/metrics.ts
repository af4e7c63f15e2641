import { Gauge, Registry } from "prom-client";
import type { Health } from "./health.ts";
import type { DatabaseStatus } from "./status.ts";

/** When somebody looked how everything is, and for how long, in milliseconds. */
export interface Look {
  readonly at: Date;
  readonly tookMs: number;
}

/** A figure of one database; undefined or null where it is not known, which has no sample. */
type FigureOf = (status: DatabaseStatus) => number | null | undefined;

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000);
const timestamp = (at: string | Date | null | undefined): number | null =>
  at === null || at === undefined ? null : new Date(at).getTime() / 1000;
const flag = (value: boolean): number => (value ? 1 : 0);
/** What nobody could look at is not zero. */
const known = (status: DatabaseStatus, value: number): number | null => (status.known ? value : null);

/** Name without `handled_`, what it is, and where it comes from; the names say the unit, as Prometheus wants them. */
const OF_DATABASE: readonly (readonly [name: string, help: string, figure: FigureOf])[] = [
  [
    "database_healthy",
    "Whether nothing worse than a notice was found of the database.",
    ({ healthy }) => flag(healthy),
  ],
  [
    "database_known",
    "Whether the backups of the database could be looked at; if not, its other figures are missing.",
    (status) => flag(status.known),
  ],
  [
    "database_degraded",
    "Whether a place of the database lacks a backup that another has, or cannot be read.",
    (status) => known(status, flag(status.degraded)),
  ],
  ["backups", "Good backups of the database.", (status) => known(status, status.backups)],
  [
    "backups_stored_bytes",
    "Size in the repository of all good backups of the database.",
    (status) => known(status, status.storedBytes),
  ],
  [
    "last_backup_timestamp_seconds",
    "The moment that the newest good backup brings back.",
    ({ newest }) => timestamp(newest?.snapshotAt),
  ],
  [
    "last_backup_finished_timestamp_seconds",
    "When the newest good backup was done.",
    ({ newest }) => timestamp(newest?.finishedAt),
  ],
  [
    "last_backup_duration_seconds",
    "How long the newest good backup took.",
    ({ newest }) => newest && seconds(newest.durationMs),
  ],
  [
    "last_backup_size_bytes",
    "Size of the newest good backup as text of a dump.",
    ({ newest }) => newest?.totals.bytes,
  ],
  [
    "last_backup_stored_bytes",
    "Bytes that the newest good backup added to the repository.",
    ({ newest }) => newest?.totals.storedBytes,
  ],
  [
    "last_backup_server_bytes",
    "Size of the database on its server when the newest good backup was taken.",
    ({ newest }) => newest?.totals.serverBytes,
  ],
  ["last_backup_rows", "Rows in the newest good backup.", ({ newest }) => newest?.totals.rows],
  ["last_backup_tables", "Tables in the newest good backup.", ({ newest }) => newest?.totals.tables],
  [
    "data_at_risk_seconds",
    "Age at the look of the newest good backup, the managed service's among them: what would have been lost then.",
    ({ live }) => seconds(live.dataAtRiskMs),
  ],
  [
    "proven_data_at_risk_seconds",
    "The same of the newest that was restored and compared, or looked at.",
    ({ live }) => seconds(live.provenAtRiskMs),
  ],
  [
    "last_proven_backup_timestamp_seconds",
    "The moment that the newest good backup brings back that was restored and compared.",
    ({ live }) => timestamp(live.newestProven?.snapshotAt),
  ],
  [
    "last_proof_timestamp_seconds",
    "When a backup was last restored and compared.",
    ({ lastProofAt }) => timestamp(lastProofAt),
  ],
  [
    "recovery_measured_seconds",
    "How long the last drill took, or the last restore that was made to prove a backup, whichever is newer.",
    ({ live }) => seconds(live.timeToRecover.measuredMs),
  ],
  [
    "recovery_predicted_seconds",
    "How long a restore of the newest backup would take at the rate of the last one.",
    ({ live }) => seconds(live.timeToRecover.predictedMs),
  ],
  ["objective_rpo_seconds", "Recovery point objective of the strategy.", ({ rpoMs }) => seconds(rpoMs)],
  ["objective_rto_seconds", "Recovery time objective of the strategy.", ({ rtoMs }) => seconds(rtoMs)],
  [
    "objective_proof_seconds",
    "How long the strategy lets a database go without a backup of it being restored and compared.",
    ({ proofMs }) => seconds(proofMs),
  ],
  [
    "next_backup_timestamp_seconds",
    "When the next backup of the strategy is due.",
    ({ nextRun }) => timestamp(nextRun),
  ],
];

/**
 * What was found at a look, in the text format of Prometheus, version 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats). Labels are names of the strategy and words of our own; nothing in
 * it is free text, so that neither secrets nor more series than the strategy has names can get in.
 */
export async function healthMetrics(health: Health, look: Look): Promise<string> {
  // One of its own, for what is no longer in the strategy must not stay.
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name: `handled_${name}`, help, labelNames, registers: [registry] });
  gauge("look_timestamp_seconds", "When it was looked how everything is; all other figures are of then.").set(
    timestamp(look.at) ?? 0,
  );
  gauge("look_duration_seconds", "How long that took.").set(look.tookMs / 1000);
  gauge("healthy", "Whether nothing worse than a notice was found anywhere.").set(flag(health.healthy));
  for (const [name, help, figure] of OF_DATABASE) {
    const one = gauge(name, help, ["database"]);
    for (const status of health.databases) {
      const value = figure(status);
      if (value !== null && value !== undefined) one.set({ database: status.database }, value);
    }
  }
  setEntries(gauge, health.databases);
  setRuns(gauge, health.databases);
  const findings = gauge(
    "findings",
    "What is wrong or worth a look: how many findings of a check there are.",
    ["database", "id", "severity"],
  );
  for (const { id, severity, database } of [
    ...health.databases.flatMap((status) => status.findings),
    ...health.findings,
  ])
    findings.inc({ database: database ?? "", id, severity });
  return await registry.metrics();
}

type MakeGauge = <L extends string>(name: string, help: string, labelNames?: readonly L[]) => Gauge<L>;

function setEntries(gauge: MakeGauge, databases: readonly DatabaseStatus[]): void {
  const labels = ["database", "entry", "kind"] as const;
  const last = gauge(
    "entry_last_backup_timestamp_seconds",
    "The moment that the newest good backup of an entry of the strategy brings back.",
    labels,
  );
  const next = gauge(
    "entry_next_backup_timestamp_seconds",
    "When the next backup of an entry of the strategy is due.",
    labels,
  );
  for (const { database, entries } of databases)
    for (const { name, kind, newest, nextRun } of entries) {
      if (newest !== null) last.set({ database, entry: name, kind }, timestamp(newest.snapshotAt) ?? 0);
      if (nextRun !== null) next.set({ database, entry: name, kind }, timestamp(nextRun) ?? 0);
    }
}

function setRuns(gauge: MakeGauge, databases: readonly DatabaseStatus[]): void {
  const labels = ["database", "operation", "outcome"] as const;
  const recent = gauge(
    "recent_runs",
    "Runs among the last 200 that the places of the database have recorded, whoever started them.",
    labels,
  );
  const last = gauge("last_run_timestamp_seconds", "When the last run of that kind ended so.", labels);
  for (const { database, runs } of databases)
    for (const { operation, outcome, runs: count, lastAt } of runs) {
      recent.set({ database, operation, outcome }, count);
      last.set({ database, operation, outcome }, timestamp(lastAt) ?? 0);
    }
}
