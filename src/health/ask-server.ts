import type { Runtime } from "../lib/runtime.ts";
import { silentReporter } from "../lib/runtime.ts";
import { connectionChecks } from "../operations/doctor/connection.ts";
import { attempt, type Finding as Looked, runChecks } from "../operations/doctor/finding.ts";
import { findClients } from "../postgres/clients.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { connect } from "../postgres/session.ts";

/** What is the matter with the server, as `handled doctor` looks at it. */
export type ServerFacts = readonly Pick<Looked, "id" | "level" | "message" | "hint">[];

/** Connects, and asks for what may change while nobody looks: whether it answers, its version, its clock. */
export async function askServer(
  runtime: Runtime,
  database: string,
  connection: () => Promise<ConnectionSettings>,
  signal: AbortSignal,
): Promise<ServerFacts> {
  const open = async () => await connect(runtime, await connection(), signal);
  const connected = await attempt("connection", database, open, signal);
  if ("failure" in connected) return [connected.failure];
  await using session = connected.value;
  // Installations that cannot be used are the doctor's to tell.
  const clients = await findClients({ ...runtime, reporter: silentReporter }, signal);
  const checks = connectionChecks(runtime, session, [], clients, signal);
  const asked = checks.filter(({ id }) => id === "client" || id === "clock");
  return (await runChecks(database, asked, signal)).filter(({ level }) => level !== "ok");
}
