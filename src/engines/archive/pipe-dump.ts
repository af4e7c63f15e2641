import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { loadText } from "./load.ts";
import { runBetween } from "./pipe.ts";

/**
 * Copies what `pg_dump` gives of one database straight into another, in one transaction that is committed only after
 * the dump's end marker came. Returns what the role could not do and was left out.
 * @param dumpArgs arguments of `pg_dump` that choose what goes over; the format is plain text
 */
export async function pipeDump(
  runtime: Runtime,
  call: {
    client: PostgresClient;
    from: ConnectionSettings;
    to: ConnectionSettings;
    dumpArgs: readonly string[];
    /** Statements to run at the end, in the same transaction. */
    afterwards?: readonly string[];
  },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { leftOut } = await loadText(
    runtime,
    { client: call.client, settings: call.to, singleTransaction: true, afterwards: call.afterwards },
    (output) =>
      runBetween(
        runtime,
        {
          program: clientProgram(call.client, "pg_dump"),
          args: ["--format=plain", "--no-password", ...call.dumpArgs],
          env: toolEnvironment(runtime, call.from),
          output,
        },
        signal,
      ),
    signal,
  );
  return leftOut;
}
