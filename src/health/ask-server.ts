import type { Runtime } from "../lib/runtime.ts";
import { silentReporter } from "../lib/runtime.ts";
import { connectionChecks } from "../operations/doctor/connection.ts";
import { attempt, type Finding as Looked, runChecks } from "../operations/doctor/finding.ts";
import { readingChecks } from "../operations/doctor/reading.ts";
import { findClients } from "../postgres/clients.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import type { Scope } from "../repository/scope.ts";
import { connect } from "../postgres/session.ts";

/** What is the matter with the server, as `handled doctor` looks at it. */
export type ServerFacts = readonly Pick<Looked, "id" | "level" | "message" | "hint" | "code" | "items">[];

// What may change while nobody looks. Of the others some depend on the moment, such as locks.
const ASKED: readonly Looked["id"][] = ["client", "clock", "privileges", "row-security", "large-objects"];

/**
 * Connects, and asks for what may change while nobody looks: whether it answers, its version, its clock, and whether the role may
 * still read everything in these schemas (null: in all). No more than a few queries of its catalogue, which wait for no lock.
 */
export async function askServer(
  runtime: Runtime,
  database: string,
  connection: () => Promise<ConnectionSettings>,
  schemas: Scope,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const open = async () => await connect(runtime, await connection(), signal);
  const connected = await attempt("connection", database, open, signal);
  if ("failure" in connected) return [connected.failure];
  await using session = connected.value;
  // Installations that cannot be used are the doctor's to tell.
  const clients = await findClients({ ...runtime, reporter: silentReporter }, signal);
  const checks = [
    ...connectionChecks(runtime, session, [], clients, signal),
    ...readingChecks(session, schemas),
  ].filter(({ id }) => ASKED.includes(id));
  const found = await runChecks(database, checks, signal);
  // That a backup of some schemas has no large objects is how it is meant.
  return found.filter(
    ({ id, level }) => level === "problem" || (level === "warning" && id !== "large-objects"),
  );
}
