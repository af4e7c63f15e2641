import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import { askedFor } from "./asked-for.ts";
import { checkDatabase } from "./check-database.ts";
import type { FINDING_IDS } from "./finding.ts";
import { indexlessOf } from "./indexless.ts";
import { openDespite } from "./open-despite.ts";
import { renewRepositoryFile, requireRenewable } from "./renew-repository-file.ts";
import { repairDatabase } from "./repair-database.ts";

export interface RepairRequest {
  readonly storage: Storage;
  /** Null: every database in it. */
  readonly names: readonly string[] | null;
  /** First word of the archives' file names. */
  readonly prefix: string;
  /** How long garbage must have been noted before it is deleted, in milliseconds. */
  readonly garbageAgeMs: number;
}

export const REPAIR_IDS = [
  "repository-file",
  "lease",
  "unfinished",
  "temporary-files",
  "read-marker",
  "damage",
  "latest-link",
  "garbage-note",
  "index-less",
  "orphans",
] as const satisfies readonly ((typeof FINDING_IDS)[number] | "damage" | "index-less")[];

/** Something that is done, was done, or cannot be done. */
export interface RepairStep {
  readonly id: (typeof REPAIR_IDS)[number];
  readonly database: string | null;
  readonly message: string;
  /** It is left as it is, for the reason in the message. */
  readonly isLeft: boolean;
}

export interface RepairReport {
  readonly place: string;
  readonly steps: readonly RepairStep[];
}

/** What `repairRepository` would do now. Changes nothing. */
export async function planRepair(
  runtime: Runtime,
  { storage, names, prefix }: RepairRequest,
  signal: AbortSignal,
): Promise<RepairReport> {
  const opened = await openDespite(runtime, storage, signal);
  const { repository, fault } = opened;
  const steps: RepairStep[] = [];
  if (fault !== undefined) {
    await requireRenewable(opened, signal);
    steps.push({ ...STEP, id: "repository-file", message: `write a new repository.json (${fault.message})` });
  }
  for (const database of await databasesOf(runtime, repository, names, signal)) {
    const { stock, findings, unrecorded } = await checkDatabase(
      runtime,
      repository,
      database,
      prefix,
      signal,
    );
    const add = (id: RepairStep["id"], message: string): void => {
      steps.push({ ...STEP, id, database, message });
    };
    for (const { index, problems } of unrecorded) {
      add(
        "damage",
        `record that ${index.id} is damaged, so that it counts for nothing: ${problems[0]?.reason ?? ""}`,
      );
    }
    for (const id of indexlessOf(stock)) {
      add(
        "index-less",
        `note the remains of ${id}, which has no index, to be deleted by a later run; or delete them, once that is old enough`,
      );
    }
    for (const { id, level, message, hint } of findings) {
      const isOurs = level === "problem" || hint !== null;
      if (!isOurs || id === "backup-damaged" || id === "repository-file") continue;
      if (id === "unknown-names" || id === "unknown-database") continue;
      if (id === "orphans") add(id, `note or delete, in two runs: ${message}`);
      else add(id, `${WORDS[id]}: ${message}`);
    }
  }
  return { place: repository.place, steps };
}

const STEP = { database: null, isLeft: false } as const;

const WORDS = {
  unfinished: "complete or remove",
  "temporary-files": "remove",
  lease: "take over",
  "read-marker": "remove",
  "garbage-note": "remove",
  "latest-link": "point",
} as const;

/**
 * Mends what can be mended without another copy: under the lease of each database, and never anything that a readable index
 * names, nor a foreign archive. Whatever is cut off can be done again. One database that cannot be mended does not keep the
 * others from it.
 * @param done told of each step as it is done
 */
export async function repairRepository(
  runtime: Runtime,
  request: RepairRequest,
  done: (step: RepairStep) => void,
  signal: AbortSignal,
): Promise<RepairReport> {
  const { storage, names } = request;
  const opened = await openDespite(runtime, storage, signal);
  const { repository, fault } = opened;
  const steps: RepairStep[] = [];
  const tell = (step: Partial<RepairStep> & Pick<RepairStep, "id" | "message">): void => {
    const whole = { ...STEP, ...step };
    steps.push(whole);
    done(whole);
  };
  const mended = fault === undefined ? repository : await renewRepositoryFile(runtime, opened, tell, signal);
  for (const database of await databasesOf(runtime, mended, names, signal)) {
    try {
      await repairDatabase(runtime, mended, database, request, tell, signal);
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || signal.aborted) throw error;
      tell({ id: "lease", database, message: error.message, isLeft: true });
    }
  }
  return { place: repository.place, steps };
}

async function databasesOf(
  runtime: Runtime,
  repository: Repository,
  names: readonly string[] | null,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { databases, unknown } = await askedFor(repository, names, signal);
  // A lease would be the first thing there.
  for (const { note } of unknown) runtime.reporter.note(note);
  return databases;
}
