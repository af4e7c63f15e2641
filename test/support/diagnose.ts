import { expect } from "vitest";
import { type DoctorReport, type DoctorRequest, examine } from "../../src/operations/doctor/doctor.ts";
import type { CheckId, Finding } from "../../src/operations/doctor/finding.ts";
import { resolveConnection } from "../../src/postgres/connection.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { clusterUrl, type FreshDatabase, runSql, uniqueName } from "./postgres.ts";
import { noAbort, testRuntime, type TestRuntime } from "./runtime.ts";

export const PLAIN = { name: null, format: "plain", compression: "gzip" } as const;

interface Question {
  readonly url: string;
  readonly storage?: Storage;
  readonly schemas?: readonly string[];
  readonly backups?: DoctorRequest["databases"][number]["backups"];
  readonly runtime?: TestRuntime;
  readonly request?: Partial<DoctorRequest>;
}

export async function diagnose(question: Question): Promise<DoctorReport> {
  const runtime = question.runtime ?? testRuntime();
  const database = {
    name: "shop",
    connection: () => resolveConnection(runtime, question.url, noAbort()),
    places: [{ name: "memory", storage: () => question.storage ?? memoryStorage() }],
    schemas: question.schemas ?? null,
    backups: question.backups ?? [PLAIN],
  };
  const machine = { nodeVersion: "24.21.0", uid: 0 };
  const request = {
    machine,
    strategy: null,
    strategyError: null,
    databases: [database],
    ...question.request,
  };
  return await examine(runtime, request, noAbort());
}

/** The one finding of a check. */
export function found(report: DoctorReport, id: CheckId): Finding {
  const findings = report.findings.filter((finding) => finding.id === id);
  expect(findings.map((finding) => finding.message)).toHaveLength(1);
  return findings[0] as Finding;
}

export const problems = (report: DoctorReport): string[] =>
  report.findings.filter(({ level }) => level === "problem").map(({ id }) => id);
// What restores of other tests leave in the shared cluster is none of our business.
export const notOk = (report: DoctorReport): string[] =>
  report.findings
    .filter(({ level, id }) => level !== "ok" && id !== "leftovers")
    .map(({ id, message }) => `${id}: ${message}`);

/** A role that may log in and nothing else, with the URL of a database for it. */
export async function freshRole(
  database: FreshDatabase,
): Promise<{ name: string; url: string } & AsyncDisposable> {
  const name = uniqueName("role");
  await runSql(clusterUrl(), `create role ${name} login password 'pw'`);
  const url = new URL(database.url);
  url.username = name;
  url.password = "pw";
  return {
    name,
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await database.query(`drop owned by ${name}`);
      await runSql(clusterUrl(), `drop role ${name}`);
    },
  };
}

export const SHOP = `create schema config; create schema customer;
  create table config.users (id serial primary key); create table customer.orgs (id serial primary key)`;
