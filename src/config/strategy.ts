import { dirname, join, resolve } from "node:path";
import { AppError } from "../errors.ts";
import { type Application, buildApplication } from "./application.ts";
import type { Asserted } from "./assertions.ts";
import { buildDrills, type StrategyDrill } from "./drills.ts";
import { nearest } from "../lib/text.ts";
import type { Runtime } from "../lib/runtime.ts";
import { resolveTemplate, type Template } from "./interpolate.ts";
import type { HttpAddress } from "./http-address.ts";
import type { Keep } from "./keep.ts";
import { buildNotify, type Notify } from "./notify.ts";
import { buildProvider, type ManagedBy } from "./provider.ts";
import { type ObjectivesMs, objectivesMs } from "./objectives.ts";
import type { Path } from "./problems.ts";
import { buildRebuild, type Rebuild } from "./rebuild.ts";
import { buildRunbook } from "./runbook.ts";
import type { StrategyFile } from "./schema.ts";
import { systemTimeZone } from "./time-zone.ts";

/** A strategy as the program uses it: checked, with defaults filled in, only its URLs still to be looked up. */
export interface Strategy {
  /** Absolute path of the file; relative repositories start at its folder. */
  readonly path: string;
  readonly timeZone: string;
  readonly archivePrefix: string;
  readonly repositories: readonly StrategyRepository[];
  /** In the order of the file, except that whole numbers come first. */
  readonly databases: readonly StrategyDatabase[];
  readonly keepReplacedMs: number;
  readonly daemon: DaemonSettings;
  readonly duties: readonly StrategyDuty[];
  readonly contacts: readonly Contact[];
  /** Undefined: nobody is told of anything. */
  readonly notify: Notify | undefined;
  /** Absolute paths at which the daemon keeps the runbook written. */
  readonly runbookFiles: readonly string[];
}

/** What a person has to do once in each period. */
export type StrategyDuty = Omit<StrategyFile["duties"][number], "database"> & { readonly database: string };

interface StrategyRepository {
  readonly name: string;
  /** `repositoryLocation` makes the folder or URL of it. */
  readonly url: Template;
  /** Of a bucket; undefined: the environment or the profile has them. */
  readonly accessKey: Template | undefined;
  readonly secretKey: Template | undefined;
  /** How objects in a bucket are locked; undefined: as its URL says, or not. */
  readonly lock: RepositoryLocation["lock"];
  /** How long parts that no backup needs stay after that was noted. */
  readonly garbageAgeMs: number;
  /** In place of that of the backups' entries; undefined: theirs. */
  readonly keep: Keep | undefined;
  /** To whom it is sealed, and the file with this host's key. */
  readonly recipients: readonly string[] | undefined;
  readonly hostKey: string | undefined;
}

export interface StrategyDatabase {
  /** The name in the strategy, in commands and in the repository; the server may call it otherwise. */
  readonly name: string;
  /** `databaseUrl` makes the connection string of it. */
  readonly url: Template;
  /** Undefined is the whole database. */
  readonly schemas: readonly string[] | undefined;
  readonly criticality: "critical" | "high" | "medium" | "low";
  readonly objectives: ObjectivesMs;
  /** Names of the strategy's repositories that its backups are kept in, at least one. The first is written and read first. */
  readonly repositories: readonly [string, ...string[]];
  readonly backups: readonly StrategyBackup[];
  readonly verifications: readonly StrategyVerification[];
  /** The recoveries that are rehearsed. */
  readonly drills: readonly StrategyDrill[];
  /** Undefined: not by a schedule. */
  readonly prune: ScheduledTask | undefined;
  readonly copy: ScheduledTask | undefined;
  /** Its own, or the one that all databases share. */
  readonly application: Application | undefined;
  /** The variable in the application's `envFile` that holds its URL; undefined where a recovery must not change one. */
  readonly variable: string | undefined;
  /** What a restored copy must hold up to. */
  readonly asserted: Asserted;
  /** How it is made without a backup; undefined where it cannot. */
  readonly rebuild: Rebuild | undefined;
  /** Undefined: no managed service runs it, or none that Handled talks to. */
  readonly provider: ManagedBy | undefined;
  /** Whether each backup writes its time into the database. */
  readonly heartbeat: boolean;
  readonly lockTimeoutMs: number;
}

export interface StrategyBackup {
  readonly name: string;
  readonly kind: "archive" | "snapshot";
  /** Of an archive; undefined means `plain`, and `gzip`. */
  readonly format: "plain" | "custom" | undefined;
  readonly compression: "gzip" | "zstd" | undefined;
  /** Of a snapshot; undefined means one a core. */
  readonly jobs: number | undefined;
  /** Five fields of cron; undefined is only by hand. */
  readonly schedule: string | undefined;
  /** Undefined keeps every backup. */
  readonly keep: Keep | undefined;
  /** How long a scheduled run may take; undefined leaves it to whoever runs it. */
  readonly deadlineMs: number | undefined;
}

interface ScheduledTask {
  /** Five fields of cron. */
  readonly schedule: string;
  readonly deadlineMs: number | undefined;
}

/** What is to be proven of the newest backup, and when. */
interface StrategyVerification {
  readonly name: string;
  readonly level: StrategyFile["databases"][string]["verify"][number]["level"];
  /** Undefined is only by hand. */
  readonly schedule: string | undefined;
  readonly deadlineMs: number | undefined;
}

/** How the daemon runs what is scheduled. */
export interface DaemonSettings {
  /** Runs at the same time, at most. */
  readonly jobs: number;
  readonly jitterMs: number;
  /** After a failure, before the next time is due. */
  readonly retries: number;
  readonly retryAfterMs: number;
  /** Where it can be asked how everything is. */
  readonly http: HttpAddress | false;
  /** Where browsers find it, when something stands in front of it. */
  readonly url: URL | undefined;
}

export type Contact = StrategyFile["contacts"][number];

/** What a checked file leaves open. */
interface Surroundings {
  /** Absolute path of the file. */
  readonly path: string;
  /** Where `~` is. */
  readonly home: string;
  /** File, line and column of a path in it, for messages. */
  readonly whereIs: (path: Path) => string;
}

/** The strategy of a checked file. */
export function buildStrategy(file: StrategyFile, { path, home, whereIs }: Surroundings): Strategy {
  const template = (at: Path, text: string): Template => ({ text, where: whereIs(at) });
  const optional = (at: Path, text: string | undefined): Template | undefined =>
    text === undefined ? undefined : template(at, text);
  const names = Object.keys(file.repositories);
  const variables = Object.values(file.databases).flatMap(({ variable }) => variable ?? []);
  const around = { folder: dirname(path), home, variables };
  return {
    path,
    timeZone: file.timezone ?? systemTimeZone(),
    archivePrefix: file.archivePrefix,
    repositories: Object.entries(file.repositories).map(
      ([name, { url, accessKey, secretKey, lock, lockMode, garbageAge, keep, recipients, hostKey }]) => ({
        name,
        url: template(["repositories", name, "url"], url),
        accessKey: optional(["repositories", name, "accessKey"], accessKey),
        secretKey: optional(["repositories", name, "secretKey"], secretKey),
        lock: lock === undefined ? undefined : { windowMs: lock, mode: lockMode ?? "compliance" },
        garbageAgeMs: garbageAge,
        keep,
        recipients,
        hostKey,
      }),
    ),
    databases: Object.entries(file.databases).map(([name, database]) => ({
      name,
      url: template(["databases", name, "url"], database.url),
      schemas: database.schemas,
      criticality: database.criticality,
      objectives: objectivesMs(database.objectives),
      repositories: placesOf(database, names),
      backups: database.backups.map(({ deadline, ...backup }) => ({
        ...backup,
        deadlineMs: deadline,
        format: backup.format,
        compression: backup.compression,
        jobs: backup.jobs,
        schedule: backup.schedule,
        keep: backup.keep,
      })),
      verifications: database.verify.map(({ name: entry, level, schedule, deadline }) => ({
        name: entry,
        level,
        schedule,
        deadlineMs: deadline,
      })),
      drills: buildDrills(database.drills),
      prune: buildTask(database.prune),
      copy: buildTask(database.copy),
      application: buildApplication(database.application ?? file.application, around),
      variable: database.variable,
      asserted: { assertions: database.assertions, application: database.trial },
      rebuild: buildRebuild(database.rebuild, dirname(path)),
      provider:
        database.provider === undefined
          ? undefined
          : buildProvider(
              database.provider,
              template(["databases", name, "provider", "token"], database.provider.token),
            ),
      heartbeat: database.heartbeat,
      lockTimeoutMs: database.lockTimeout,
    })),
    keepReplacedMs: file.recovery.keepReplaced,
    daemon: {
      jobs: file.daemon.jobs,
      jitterMs: file.daemon.jitter ?? 0,
      retries: file.daemon.retries,
      retryAfterMs: file.daemon.retryAfter,
      http: file.daemon.http,
      url: file.daemon.url,
    },
    duties: file.duties.map((duty) => ({
      ...duty,
      // The schema refuses a strategy without any.
      database: duty.database ?? Object.keys(file.databases)[0] ?? "",
    })),
    contacts: file.contacts,
    notify: file.notify === undefined ? undefined : buildNotify(file.notify, template),
    runbookFiles: buildRunbook(file.runbook, around),
  };
}

/** The cross-checks let both be left out only where there is exactly one. */
function placesOf(
  { repository, repositories }: StrategyFile["databases"][string],
  all: readonly string[],
): readonly [string, ...string[]] {
  const [first = all.join(), ...others] = repositories ?? [repository ?? all.join()];
  return [first, ...others];
}

function buildTask(task: StrategyFile["databases"][string]["prune"]): ScheduledTask | undefined {
  return task === undefined ? undefined : { schedule: task.schedule, deadlineMs: task.deadline };
}

/** The database of this name. Fails with `usage`, naming the nearest one. */
export function findDatabase(strategy: Strategy, name: string): StrategyDatabase {
  const found = strategy.databases.find((database) => database.name === name);
  if (found !== undefined) return found;
  throw notInStrategy(strategy, "database", name, strategy.databases);
}

function notInStrategy(
  { path }: Strategy,
  what: string,
  name: string,
  there: readonly { readonly name: string }[],
): AppError {
  const names = there.map((one) => one.name);
  const similar = nearest(name, names);
  return new AppError("usage", `find ${what} ${name}: it is not in the strategy ${path}`, {
    hint: similar === undefined ? `it has ${names.join(", ")}` : `did you mean \`${similar}\`?`,
  });
}

/** The connection string of a database, with values from the environment. Fails with `strategy_invalid`. */
export function databaseUrl(runtime: Runtime, database: StrategyDatabase): string {
  return resolveNotEmpty(runtime, database.url);
}

/** The token of a database's managed service. Fails with `strategy_invalid`. */
export function providerToken(runtime: Runtime, { token }: ManagedBy): string {
  const text = resolveNotEmpty(runtime, token);
  runtime.secrets.add(text);
  return text;
}

/** The repository of this name. Fails with `usage`, naming the nearest one. */
export function findRepository(strategy: Strategy, name: string): StrategyRepository {
  const repository = strategy.repositories.find((candidate) => candidate.name === name);
  if (repository !== undefined) return repository;
  throw notInStrategy(strategy, "repository", name, strategy.repositories);
}

/** Where a repository is, and the keys it is opened with; a storage takes it as its location. */
interface RepositoryLocation {
  /** An absolute folder or a URL. */
  readonly url: string;
  readonly keys?: { readonly accessKey: string; readonly secretKey: string };
  readonly lock?: { readonly windowMs: number; readonly mode: "compliance" | "governance" } | undefined;
}

/** The place of a repository, with values from the environment. Fails with `strategy_invalid`. */
export function repositoryLocation(runtime: Runtime, strategy: Strategy, name: string): RepositoryLocation {
  const { accessKey, secretKey, lock } = findRepository(strategy, name);
  const url = repositoryUrl(runtime, strategy, name);
  const place = lock === undefined ? { url } : { url, lock };
  if (accessKey === undefined || secretKey === undefined) return place;
  const keys = {
    accessKey: resolveNotEmpty(runtime, accessKey),
    secretKey: resolveNotEmpty(runtime, secretKey),
  };
  runtime.secrets.add(keys.secretKey);
  return { ...place, keys };
}

/** The absolute folder or the URL of a repository, with values from the environment. Fails with `strategy_invalid`. */
export function repositoryUrl(runtime: Runtime, strategy: Strategy, name: string): string {
  const repository = findRepository(strategy, name);
  const location = resolveNotEmpty(runtime, repository.url);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) return location;
  if (location !== "~" && !location.startsWith("~/")) return resolve(dirname(strategy.path), location);
  const home = runtime.env["HOME"];
  if (home === undefined || home === "")
    throw new AppError(
      "strategy_invalid",
      `strategy ${repository.url.where}: \`~\` needs HOME, which is not set`,
    );
  return join(home, location.slice(1));
}

/** An empty connection string means libpq's defaults, and an empty folder the current one: both the wrong place. No key is empty. */
function resolveNotEmpty(runtime: Runtime, template: Template): string {
  const text = resolveTemplate(runtime, template).trim();
  if (text !== "") return text;
  throw new AppError(
    "strategy_invalid",
    `strategy ${template.where}: \`${template.text}\` gives an empty text`,
    {
      hint: "set the variable to a value; cron and systemd do not read the profile of your shell",
    },
  );
}
