import { type Command, Option } from "commander";
import type { Asserted } from "../../config/assertions.ts";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation, isAppError, DEGRADED_EXIT } from "../../errors.ts";
import type { Place } from "../../operations/places.ts";
import { isStored } from "../../operations/verify/findings.ts";
import type { VerifyReport } from "../../operations/verify/record.ts";
import { notVerified, repairBackup, repairUnopened } from "../../operations/verify/repair.ts";
import { verifyBackup } from "../../operations/verify/verify.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import { BackupId } from "../../repository/manifest.ts";
import { PROOF_LEVELS, type ProofLevel } from "../../repository/proof-file.ts";
import { nearest } from "../../lib/text.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Cli } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { asOfOption, jobsArgument, many, placeOptions } from "../options.ts";
import { renderVerify, verifyJson } from "../render/verify.ts";
import { resolveAllTargets, resolveBackup } from "../repositories.ts";
import { askedLevel, assertedOf, levelFor } from "./verify-asserted.ts";
import { placesOf, type PlaceOptions, resolveTarget, type Target } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly level?: ProofLevel;
  readonly entry?: string;
  readonly to?: string;
  readonly jobs?: number;
  readonly repair?: true;
  readonly expect?: readonly string[];
}

export function addVerify(program: Command, cli: () => Cli): void {
  placeOptions(program.command("verify"))
    .summary("prove that backups can be brought back")
    .description(
      "Reads a backup whole, restores it into a throw-away server, compares what came back with what was backed up, and " +
        "records the result in the repository. Needs no live database.",
    )
    .argument("[database]", "name from the strategy or the repository, or a backup's id; all when left out")
    .argument("[backup]", "latest, an id, or the name of an archive", "latest")
    .addOption(
      new Option(
        "--level <level>",
        "integrity: every stored byte is right (without an identity of an encrypted repository: as far as that shows, and nothing is proven); restore: it can be restored, too; content: what comes back is what was backed up; assertions: it holds up to what the strategy or `--expect` says, too (default: the strongest possible)",
      ).choices(PROOF_LEVELS),
    )
    .addOption(
      new Option("--entry <name>", "do what this entry of the strategy's `verify` says").conflicts("level"),
    )
    .addOption(
      new Option(
        "--expect <sql>",
        "a query that must give one row with one boolean column that is true, beside those of the strategy (may be repeated)",
      )
        .argParser(many)
        .conflicts("entry"),
    )
    .option("--to <url>", "restore into a scratch database on this server, and drop it")
    .option(
      "--jobs <number>",
      "parts and tables that are read at the same time (default: one a core; at most 64)",
      jobsArgument,
    )
    .option(
      "--repair",
      "in each place of the database, mend what is missing or damaged from another place that has it intact, and check again",
    )
    .addOption(asOfOption())
    .action(async (database: string | undefined, backup: string, options: Options) => {
      await runVerify(cli(), database, backup, options);
    });
}

/** One backup to be verified. */
interface Subject {
  readonly database: string;
  readonly which: string;
  readonly timeZone: string;
  /** Undefined: the strongest that is possible. */
  readonly level: ProofLevel | undefined;
  readonly entry: string | null;
  /** What a restored copy must hold up to. */
  readonly asserted: Asserted;
  readonly storage: () => Storage;
  /** The place's name where there are several. */
  readonly place?: string;
  /** What `--repair` may mend, and from where. */
  readonly repair?: { readonly place: Place; readonly others: readonly Place[] };
}

const DAMAGED_EXIT = 13;
const NOT_PROVEN_EXIT = 4;

async function runVerify(
  cli: Cli,
  database: string | undefined,
  backup: string,
  options: Options,
): Promise<void> {
  const subjects = await subjectsOf(cli, database, backup, options);
  const exits: number[] = [];
  for (const subject of subjects) {
    try {
      const { report, mended } = await verifyAndRepair(cli, subject, options);
      const { place, timeZone } = subject;
      cli.output.result(verifyJson(report, mended, subject.storage().place), () =>
        renderVerify(cli.output, report, timeZone, place),
      );
      exits.push(exitOf(report, subject, options));
    } catch (error) {
      const named = inVerify(subject, error);
      if (subjects.length === 1 || isAppError(error, "interrupted") || cli.signal.aborted) throw named;
      // One database that cannot be checked must not keep the others from it.
      reportFailure(cli.output, named);
      exits.push(named instanceof AppError ? named.exitCode : 1);
    }
  }
  cli.exitWith(worstOf(exits));
}

async function subjectsOf(
  cli: Cli,
  database: string | undefined,
  backup: string,
  options: Options,
): Promise<Subject[]> {
  const id = BackupId.safeParse(database);
  const onlyId = id.success && backup === "latest";
  const which = onlyId ? id.data : backup;
  const targets = onlyId
    ? [await resolveBackup(cli, id.data, options)]
    : database === undefined
      ? await resolveAllTargets(cli, [], options)
      : [await resolveTarget(cli, database, options)];
  return targets.flatMap((target) => {
    const asked = { which, asserted: assertedOf(target, options), ...whatIsAsked(target, options) };
    return options.repair === true ? toBeMended(target, asked) : inEachPlace(target, asked);
  });
}

type Asked = Pick<Subject, "which" | "level" | "entry" | "asserted">;

function whatIsAsked({ name, entry: database }: Target, options: Options): Pick<Asked, "level" | "entry"> {
  const { entry } = options;
  if (entry === undefined) return { level: askedLevel(options), entry: null };
  const entries = database?.verifications ?? [];
  const found = entries.find((one) => one.name === entry);
  if (found !== undefined) return { level: found.level, entry };
  const names = entries.map((one) => one.name);
  const similar = nearest(entry, names);
  throw new AppError("usage", `find the entry ${entry} of the strategy: ${name} has no such verification`, {
    hint: similar === undefined ? `it has: ${names.join(", ") || "none"}` : `did you mean \`${similar}\`?`,
  });
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** What is proven of one place says nothing of another. */
function inEachPlace(target: Target, asked: Asked): Subject[] {
  const { name: database, timeZone } = target;
  const places = target.places();
  return places.map((place) => ({
    database,
    ...asked,
    timeZone,
    storage: once(() => place.storage()),
    ...(places.length > 1 ? { place: place.name } : {}),
  }));
}

/** Each place of a target is mended from the others. */
function toBeMended(target: Target, asked: Asked): Subject[] {
  const places = placesOf(target, undefined);
  if (places.length < 2) {
    throw new AppError(
      "usage",
      `verify ${target.name}: its backups are kept in one place, so nothing can mend them`,
      {
        hint: "name several under `repositories` of the database, or give `--repository` more than once",
      },
    );
  }
  return places.map((place) => ({
    database: target.name,
    ...asked,
    timeZone: target.timeZone,
    storage: () => place.storage,
    place: place.name,
    repair: { place, others: places.filter((other) => other !== place) },
  }));
}

/** @returns with `mended` the keys of what was put right before the check that is reported */
async function verifyAndRepair(
  cli: Cli,
  subject: Subject,
  options: Options,
): Promise<{ readonly report: VerifyReport; readonly mended: readonly string[] }> {
  const { database, which, repair } = subject;
  const unopened = async (error: unknown): Promise<never> => {
    if (repair === undefined || !isAppError(error, "wrong_key")) throw error;
    throw notVerified(error, await repairUnopened(cli.runtime, { database, which, ...repair }, cli.signal));
  };
  const report = await verify(cli, subject, options, repair !== undefined).catch(unopened);
  if (repair === undefined || !report.problems.some(isStored)) return { report, mended: [] };
  const id = BackupId.parse(report.proof.backup);
  const mended = await repairBackup(cli.runtime, { database, id, ...repair }, cli.signal);
  const { keys } = mended;
  if (keys.length === 0 && report.key !== null) return { report, mended: [] };
  const again = await verify(cli, { ...subject, which: id }, options, false).catch((error: unknown) => {
    throw isAppError(error, "wrong_key") ? notVerified(error, { id, ...mended }) : error;
  });
  return { report: again, mended: keys };
}

async function verify(
  cli: Cli,
  { database, which, storage, level, entry, asserted }: Subject,
  options: Options,
  beforeRepair: boolean,
): Promise<VerifyReport> {
  const { to, jobs = defaultJobs() } = options;
  const request = {
    database,
    storage: storage(),
    which,
    level: levelFor(level, asserted),
    asserted,
    entry,
    to: to === undefined ? null : await resolveConnection(cli.runtime, to, cli.signal),
    jobs,
    beforeRepair,
  };
  return await verifyBackup(cli.runtime, request, cli.signal);
}

function inVerify(subject: Subject, error: unknown): unknown {
  const where = subject.place === undefined ? "" : ` in ${subject.place}`;
  return error instanceof AppError && error.code !== "unexpected" && error.code !== "interrupted"
    ? inOperation(`verify ${subject.database}${where}`, error)
    : error;
}

/** What was asked for must be reached; where nothing was, the strongest that is possible will do. */
function exitOf(
  { proof, problems, key, others }: VerifyReport,
  { level: asked }: Subject,
  { asOf }: Options,
): number {
  if (problems.some(isStored)) return DAMAGED_EXIT;
  if (problems.length > 0 || (asked !== undefined && proof.proven !== asked)) return NOT_PROVEN_EXIT;
  if (others.length > 0) return DEGRADED_EXIT;
  // As of an earlier time nothing is to be recorded.
  return key === null && asOf === undefined ? DEGRADED_EXIT : 0;
}

/** Damage first, then what is not proven, then whatever kept a check from being made. */
function worstOf(exits: readonly number[]): number {
  const known = [DAMAGED_EXIT, NOT_PROVEN_EXIT].find((exit) => exits.includes(exit));
  if (known !== undefined) return known;
  const others = exits.filter((exit) => exit !== 0);
  if (others.length === 0) return 0;
  return others.length === exits.length ? (others[0] ?? 1) : DEGRADED_EXIT;
}
