import type { Runtime } from "../lib/runtime.ts";
import { silentReporter } from "../lib/runtime.ts";
import { connectionChecks } from "../operations/doctor/connection.ts";
import { attempt, type Finding as Looked, runChecks } from "../operations/doctor/finding.ts";
import { readingChecks } from "../operations/doctor/reading.ts";
import { findClients } from "../postgres/clients.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { type HalfMade, listHalfMade } from "../operations/restore/half-made.ts";
import type { Scope } from "../repository/scope.ts";
import { connect } from "../postgres/session.ts";

/** What there is to know of the live server. */
export interface ServerFacts {
  /** What is the matter with it, as `handled doctor` looks at it. */
  readonly server: readonly Pick<Looked, "id" | "level" | "message" | "hint" | "code" | "items">[];
  /** What restores are making on it, or were when they were killed. */
  readonly halfMade: readonly HalfMade[];
  /** The database's own name there; null where nobody has connected. */
  readonly liveName: string | null;
}

/** Of a server that was not asked. */
export const UNASKED: ServerFacts = { server: [], halfMade: [], liveName: null };

// What may change while nobody looks. Of the others some depend on the moment, such as locks.
const ASKED: readonly Looked["id"][] = ["client", "clock", "privileges", "row-security", "large-objects"];

/**
 * Connects, and asks for what may change while nobody looks: whether it answers, its version, its clock, whether the role may
 * still read everything in these schemas (null: in all), and what restores have left there. No more than a few queries of its
 * catalogue, which wait for no lock.
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
  if ("failure" in connected) return { ...UNASKED, server: [connected.failure] };
  await using session = connected.value;
  // Installations that cannot be used are the doctor's to tell.
  const clients = await findClients({ ...runtime, reporter: silentReporter }, signal);
  const checks = [
    ...connectionChecks(runtime, session, [], clients, signal),
    ...readingChecks(session, schemas),
  ].filter(({ id }) => ASKED.includes(id));
  const found = await runChecks(database, checks, signal);
  const left = await attempt("leftovers", database, async () => await listHalfMade(session), signal);
  return {
    server: [
      // That a backup of some schemas has no large objects is how it is meant.
      ...found.filter(
        ({ id, level }) => level === "problem" || (level === "warning" && id !== "large-objects"),
      ),
      ...("failure" in left ? [left.failure] : []),
    ],
    halfMade: "failure" in left ? [] : left.value,
    liveName: session.settings.database,
  };
}
