import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { majorOf } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Step } from "../plan.ts";
import type { RecoveryApplication } from "../subject.ts";
import { tellOfVariable } from "./application.ts";

export interface ServerStepRequest {
  readonly target: ConnectionSettings;
  readonly budgetMs: number;
  /** What is to work on it in the end; null or left out: nothing, or it is looked at elsewhere. */
  readonly application?: RecoveryApplication | null;
}

/** Sees whether the server to restore on is there and new enough, before anything is read from a backup. */
export function serverStep(
  runtime: Runtime,
  { target, budgetMs, application = null }: ServerStepRequest,
): Step {
  const where = target.hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  const tell = async (signal: AbortSignal): Promise<void> =>
    await tellOfVariable(runtime, application, target, signal);
  return {
    id: "server",
    title: `See that the server ${where} is there`,
    runs: `psql -h ${target.hosts[0]?.host ?? ""} -p ${target.hosts[0]?.port ?? ""} -U ${target.user} -l`,
    checkedBy: "it answers, and is not older than the backup's",
    budgetMs,
    ifItFails: "set up a PostgreSQL server there, or name another one with `--to`, and go on",
    confirm: null,
    foretell: tell,
    run: async (_outputs, signal) => {
      await tell(signal);
      return {};
    },
    check: async (outputs, signal) => {
      await using session = await connectBeside(runtime, target, [target.database], signal);
      // Of what is made without a backup nobody knows.
      const wanted = majorOf(Number(outputs["version"] ?? 0));
      const found = majorOf(session.serverVersion);
      if (found < wanted)
        throw new AppError(
          "usage",
          `restore on ${where}: PostgreSQL ${found} is older than the backup's ${wanted}`,
          {
            hint: `install PostgreSQL ${wanted} or newer there, or name another server with \`--to\``,
          },
        );
    },
  };
}
