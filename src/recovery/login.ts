import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type ConnectionSettings, resolveConnection } from "../postgres/connection.ts";
import { connect } from "../postgres/session.ts";
import { readVariable } from "./env-file.ts";
import type { RecoveryApplication } from "./subject.ts";

/**
 * The same database, with the user and password that the application has in its variable, where they are let in: an administrator's
 * are more than it should have, and may not own its tables. Where they are not, as given, which is told.
 */
export async function withApplicationLogin(
  runtime: Runtime,
  given: ConnectionSettings,
  variable: RecoveryApplication["variable"],
  signal: AbortSignal,
): Promise<ConnectionSettings> {
  if (variable === null) return given;
  try {
    const value = await readVariable(variable.file, variable.name);
    const present = await resolveConnection(runtime, value, signal);
    if (present.user === given.user) return given;
    const password = present.hosts[0]?.password;
    runtime.secrets.add(password);
    const settings = {
      ...given,
      user: present.user,
      hosts: given.hosts.map((host) => ({ ...host, password })),
    };
    await using _session = await connect(runtime, settings, signal);
    return settings;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof AppError)) throw error;
    runtime.reporter.warn(
      `the application's own user is not let in, it gets ${given.user}: ${error.message}`,
    );
    return given;
  }
}
