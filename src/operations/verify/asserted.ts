import type { Asserted } from "../../config/assertions.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { askAssertions, nameOfAssertion } from "./assertions.ts";
import type { Findings } from "./findings.ts";
import { tryApplication } from "./try-application.ts";

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
    const reason = `assertion ${nameOfAssertion(result)}: ${result.reason}`;
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
