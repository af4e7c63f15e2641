import { AppError, ERRORS } from "../../errors.ts";
import type { Strategy } from "../../config/strategy.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { listRelations } from "../../postgres/catalog.ts";
import { findClients, type PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import type { Storage } from "../../storage/storage.ts";
import { connectionChecks, type PlannedBackup, zstdChecks } from "./connection.ts";
import { attempt, type CheckId, type Finding, notChecked, problemOf, runChecks } from "./finding.ts";
import { machineChecks, type MachineFacts } from "./machine.ts";
import { chooseSchemas, judgeSchemas, readingChecks } from "./reading.ts";
import { absentRepository, examineRepository } from "./repository.ts";
import { databaseBytes, restoringChecks } from "./restoring.ts";

export interface DoctorDatabase {
  /** The name in the repository. */
  readonly name: string;
  /** Fails with `usage` or `strategy_invalid` when no connection string is known. */
  readonly connection: () => Promise<ConnectionSettings>;
  /** Each place its backups are kept in, opened when it is called, and what the user calls it. */
  readonly places: readonly { readonly name: string; readonly storage: () => Storage }[];
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  readonly backups: readonly PlannedBackup[];
}

export interface DoctorRequest {
  readonly machine: MachineFacts;
  /** Null when the command line alone says where to look, or nobody says. */
  readonly strategy: Strategy | null;
  /** Why there is no database to look at. */
  readonly strategyError: AppError | null;
  readonly databases: readonly DoctorDatabase[];
  /** Other than looking for the installed client programs. */
  readonly findClients?: typeof findClients;
}

export interface DoctorReport {
  readonly findings: readonly Finding[];
  /** Whether a backup of each database could run now. */
  readonly databases: readonly { readonly name: string; readonly ready: boolean }[];
  /** 0, or how the first problem would end a backup. */
  readonly exitCode: number;
}

/**
 * Looks at everything that a backup and a restore of the databases need, and goes on after whatever it finds. Changes
 * nothing; the repository gets a probe object that goes away again. Throws only when aborted.
 */
export async function examine(
  runtime: Runtime,
  request: DoctorRequest,
  signal: AbortSignal,
): Promise<DoctorReport> {
  const warnings: string[] = [];
  const collecting = {
    ...runtime,
    reporter: { ...runtime.reporter, warn: (text: string) => void warnings.push(text) },
  };
  const clients = await (request.findClients ?? findClients)(collecting, signal);
  const findings: Finding[] =
    request.strategyError === null
      ? []
      : [{ id: "strategy", database: null, ...problemOf(request.strategyError) }];
  const machine = machineChecks(runtime, request.machine, request.strategy, { clients, warnings }, signal);
  findings.push(...(await runChecks(null, machine, signal)));
  // One after the other: two probes at once in one place that is yet to be made would meet each other's folders.
  for (const database of request.databases) {
    findings.push(...(await examineDatabase(runtime, database, clients, signal)));
  }
  return judge(findings, request.databases);
}

function judge(findings: readonly Finding[], databases: readonly DoctorDatabase[]): DoctorReport {
  const problems = findings.filter(({ level }) => level === "problem");
  const [first] = problems;
  return {
    findings,
    databases: databases.map(({ name }) => ({
      name,
      ready: !problems.some(({ database }) => database === null || database === name),
    })),
    exitCode: first === undefined ? 0 : first.code === null ? 1 : ERRORS[first.code].exit,
  };
}

async function examineDatabase(
  runtime: Runtime,
  database: DoctorDatabase,
  clients: readonly PostgresClient[],
  signal: AbortSignal,
): Promise<Finding[]> {
  const server = await examineServer(runtime, database, clients, signal);
  const { name, places, backups } = database;
  const answers = [];
  for (const { name: place, storage } of places) {
    const question = { database: name, storage, backups, serverBytes: server.bytes };
    answers.push({ place, ...(await examineRepository(runtime, question, signal)) });
  }
  const filled = answers.find((one) => (one.backups ?? 0) > 0);
  const found = answers.flatMap(({ place, findings, backups: there }) => {
    if (answers.length === 1) return findings;
    const absent =
      there === null && filled !== undefined ? absentRepository(filled.place, filled.backups ?? 0) : {};
    return findings.map((one) => ({ ...one, ...(one.id === "repository" ? absent : {}), place }));
  });
  return [...server.findings, ...found];
}

const WITHOUT_ZSTD: readonly CheckId[] = ["encryption", "direct-connection", "client", "clock"];
const OF_CONTENT: readonly CheckId[] = [
  "privileges",
  "row-security",
  "large-objects",
  "dependencies",
  "locks",
];
const OF_RESTORES: readonly CheckId[] = ["restore", "server-space", "leftovers"];

interface ServerAnswer {
  readonly findings: readonly Finding[];
  /** What is to be read, on the server's disk; undefined when the server could not be asked. */
  readonly bytes: number | undefined;
}

async function examineServer(
  runtime: Runtime,
  database: DoctorDatabase,
  clients: readonly PostgresClient[],
  signal: AbortSignal,
): Promise<ServerAnswer> {
  const { name, backups } = database;
  const open = async (): Promise<Session> => await connect(runtime, await database.connection(), signal);
  const connected = await attempt("connection", name, open, signal);
  if ("failure" in connected) {
    const skipped: readonly CheckId[] = [...WITHOUT_ZSTD, "schemas", ...OF_CONTENT, ...OF_RESTORES];
    const findings = [
      connected.failure,
      ...notChecked(name, skipped, "there is no connection"),
      ...(await runChecks(name, zstdChecks(runtime, backups, signal), signal)),
    ];
    return { findings, bytes: undefined };
  }
  await using session = connected.value;
  return {
    findings: [
      ...(await runChecks(name, connectionChecks(runtime, session, backups, clients, signal), signal)),
      ...(await examineContent(session, database, signal)),
      ...(await runChecks(name, restoringChecks(runtime, session, signal), signal)),
    ],
    bytes: await measure(session, database.schemas),
  };
}

async function examineContent(
  session: Session,
  database: DoctorDatabase,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { name } = database;
  const chosen = await attempt("schemas", name, () => chooseSchemas(session, database.schemas), signal);
  if ("failure" in chosen)
    return [chosen.failure, ...notChecked(name, OF_CONTENT, "the schemas are not known")];
  const { present } = chosen.value;
  const schemas = await runChecks(
    name,
    [{ id: "schemas", required: true, run: () => Promise.resolve(judgeSchemas(chosen.value)) }],
    signal,
  );
  // What is there of the schemas can be looked at all the same.
  if (present?.length === 0)
    return [...schemas, ...notChecked(name, OF_CONTENT, "none of the schemas is there")];
  return [...schemas, ...(await runChecks(name, readingChecks(session, present), signal))];
}

// Asking for the size of a locked table waits for the lock; the whole database's size is the next best answer.
const SIZE_LOCK_TIMEOUT_MS = 1000;

/** Bytes on the server's disk of what is to be read; undefined where the server does not say. */
async function measure(session: Session, schemas: readonly string[] | null): Promise<number | undefined> {
  try {
    if (schemas === null) return await databaseBytes(session);
    return await schemaBytes(session, schemas);
  } catch (error) {
    // Only an estimate hangs on it; a broken connection has been told by other checks.
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

async function schemaBytes(session: Session, schemas: readonly string[]): Promise<number> {
  // In a transaction, so that a pooler's other clients do not inherit the setting.
  await session.query("begin read only");
  try {
    await session.query(`set local lock_timeout = ${SIZE_LOCK_TIMEOUT_MS}`);
    const relations = await listRelations(session, schemas);
    return relations.reduce((sum, { serverBytes }) => sum + serverBytes, 0);
  } finally {
    await session.query("rollback");
  }
}
