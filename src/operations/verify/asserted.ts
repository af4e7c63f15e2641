import type { Asserted } from "../../config/assertions.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { askAssertions } from "./assertions.ts";
import type { Findings } from "./findings.ts";
import { tryApplication } from "./try-application.ts";

const SQL_SHOWN = 80;

/** Asks a restored copy all that is asserted of it, then lets the application work on it. What fails is a finding. */
export async function checkAsserted(
  runtime: Runtime,
  settings: ConnectionSettings,
  { assertions, application }: Asserted,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  for (const result of await askAssertions(runtime, settings, assertions, signal)) {
    findings.assertions.push(result);
    if (result.reason === null) continue;
    const reason = `assertion ${nameOf(result)}: ${result.reason}`;
    findings.problems.push({ object: "assertion", table: null, part: null, reason });
  }
  if (application === undefined) return;
  const isOurs = findings.server?.kind === "throw-away";
  const result = await tryApplication(runtime, { application, settings, isOurs }, signal);
  findings.application = result;
  if (result.reason === null) return;
  const reason = `the application: ${result.reason}`;
  findings.problems.push({ object: "application", table: null, part: null, reason });
}

function nameOf({ name, sql }: { readonly name: string | null; readonly sql: string }): string {
  if (name !== null) return `"${name}"`;
  const line = sql.replaceAll(/\s+/g, " ");
  return `\`${line.length > SQL_SHOWN ? `${line.slice(0, SQL_SHOWN)}…` : line}\``;
}
