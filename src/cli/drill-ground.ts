import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, isAppError, messageOf } from "../errors.ts";
import { isThere } from "../lib/is-there.ts";
import { splitByProof } from "../operations/damage-found.ts";
import { listPlaces } from "../operations/list-places.ts";
import { startThrowAway, type ThrowAwayServer } from "../operations/verify/throw-away.ts";
import { tryApplication } from "../operations/verify/try-application.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { type Ground, groundOfEach } from "../recovery/ground.ts";
import { makeCopyWithLoss } from "../recovery/lose-rows.ts";
import type { RecoveryApplication, Subject } from "../recovery/subject.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Cli } from "./cli.ts";
import type { PlanOptions } from "./plans.ts";
import { subjectOf } from "./subject-of.ts";
import type { Target } from "./targets.ts";

/** Where a drill is run. Disposing removes all of it; the next drill or verification removes what a killed one has left. */
export interface DrillGround extends AsyncDisposable {
  readonly ground: Ground;
  /** A folder that goes with it. */
  readonly folder: string;
}

/**
 * One throw-away server in the place of all that were lost, a copy of the application's `.env`, and the application as the strategy's `trial`
 * starts it on another port. Nothing of it is production's.
 * @param options which backup is asked for (the server is of its version, or of that of the newest), and what is to have been deleted
 */
export async function openDrillGround(
  cli: Cli,
  targets: readonly Target[],
  options: Pick<PlanOptions, "backup" | "table" | "where" | "jobs">,
): Promise<DrillGround> {
  const { runtime, signal } = cli;
  const parts: Part[] = [];
  for (const target of targets) {
    const subject = subjectOf(target, options);
    parts.push({ target, subject, index: await backupFor(cli, subject, options.backup) });
  }
  const server = await startThrowAway(
    runtime,
    {
      sourceVersion: Math.max(...parts.map(({ index }) => index?.server.versionNumber ?? 0)),
      tables: Math.max(...parts.map(({ index }) => index?.totals.tables ?? 0)),
    },
    signal,
  );
  try {
    const at = onLoopback(server);
    for (const { password } of at.hosts) runtime.secrets.add(password);
    const grounds = new Map<string, Ground>();
    for (const part of parts)
      grounds.set(part.subject.database, {
        ...groundOf(stateIn(cli, server.folder), part, { ...at, database: nameOf(part, parts) }, options),
        application: await applicationGround(cli, part.target, server.folder),
      });
    return {
      folder: server.folder,
      ground: groundOfEach(grounds),
      [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
    };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

/** What steps keep of their own goes with the drill, and meets nothing of a recovery. */
export function stateIn(cli: Cli, folder: string): Cli {
  const { runtime } = cli;
  return { ...cli, runtime: { ...runtime, env: { ...runtime.env, XDG_STATE_HOME: folder } } };
}

/** One of the databases of a drill. */
interface Part {
  readonly target: Target;
  readonly subject: Subject;
  readonly index: BackupIndex | undefined;
}

/** Databases that were on several servers may have had the same name there. */
function nameOf({ subject, index }: Part, parts: readonly Part[]): string {
  const own = index?.server.database ?? subject.database;
  const isTaken = parts.some((other) => other.subject !== subject && other.index?.server.database === own);
  return isTaken ? subject.database : own;
}

function groundOf(
  { runtime, signal }: Cli,
  { subject, index }: Part,
  settings: ConnectionSettings,
  { table: tables = [], where }: Pick<PlanOptions, "table" | "where">,
): Omit<Ground, "application"> {
  return {
    isDrill: true,
    target: async () => await Promise.resolve(settings),
    live: async () => {
      if (index === undefined)
        throw new AppError(
          "backup_missing",
          `drill ${subject.database}: it has no backup to make a copy from`,
        );
      const loss = { subject, target: settings, backup: index.id, tables, where };
      await makeCopyWithLoss(runtime, loss, signal);
      return settings;
    },
  };
}

async function applicationGround(cli: Cli, target: Target, folder: string): Promise<Ground["application"]> {
  const application = await applicationOf(cli, target, folder);
  return () => application;
}

/** Undefined where there is none: the plan will say so, or do without. */
async function backupFor(
  { runtime, signal }: Cli,
  { places, database, timeZone }: Subject,
  which: string | undefined,
): Promise<BackupIndex | undefined> {
  try {
    const { backups, proofs } = await listPlaces(runtime, places, database, timeZone, signal);
    return backups.find(({ id }) => id === which) ?? splitByProof(backups, proofs).good[0];
  } catch (error) {
    if (!isAppError(error, "repository_missing")) throw error;
    return undefined;
  }
}

/** As an application reaches it: not every driver knows Unix sockets, and TLS it has none. */
function onLoopback({ settings }: ThrowAwayServer): ConnectionSettings {
  const hosts = settings.hosts.map((host) => ({ ...host, host: "127.0.0.1" }));
  return { ...settings, hosts, sslMode: "prefer" };
}

async function applicationOf(
  cli: Cli,
  { entry }: Target,
  folder: string,
): Promise<RecoveryApplication | null> {
  const envFile = entry?.application?.envFile;
  const name = entry?.variable;
  const trial = entry?.asserted.application;
  const variable =
    envFile === undefined || name === undefined ? null : { file: await copyOf(cli, envFile, folder), name };
  if (trial === undefined) {
    cli.output.note("the strategy has no `trial`: whether the application works is not tried");
    if (variable === null) return null;
  }
  return {
    variable,
    described: {
      // The one that runs is production's; the trial starts another.
      restart: null,
      check:
        trial === undefined
          ? null
          : `${cli.runtime.secrets.redact(trial.start)}; GET ${trial.health} on a port that is free`,
    },
    restart: async () => {},
    check: async (on, signal) => {
      if (trial === undefined) return;
      const request = { application: trial, settings: on, isOurs: true };
      const { reason } = await tryApplication(cli.runtime, request, signal);
      if (reason !== null) throw new AppError("application_failed", `try the application: ${reason}`);
    },
  };
}

/** Several databases may share it. That it cannot be copied the drill finds out where a recovery would: at the step that changes it. */
async function copyOf({ output }: Cli, file: string, folder: string): Promise<string> {
  const copy = join(folder, `application-${createHash("sha256").update(file).digest("hex").slice(0, 8)}.env`);
  try {
    if (!(await isThere(copy))) await writeFile(copy, await readFile(file), { mode: 0o600, flag: "wx" });
  } catch (error) {
    output.warn(`copy ${file}: ${messageOf(error)}`);
  }
  return copy;
}
