import { stat } from "node:fs/promises";
import { hasLiteralPassword } from "../../config/literal-password.ts";
import type { Strategy } from "../../config/strategy.ts";
import { AppError, errorCode } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import { defaultScope, isRunning } from "../schedule/systemctl.ts";
import { checkVariables } from "./application-variables.ts";
import { type Check, ok, type Outcome, problem, warning } from "./finding.ts";
import { firstWord, isCommand } from "./programs.ts";

const OLDEST_NODE = 24;
const READABLE_BY_OTHERS = 0o044;
const WRITABLE_BY_OTHERS = 0o022;

export interface MachineFacts {
  /** `24.21.0`. */
  readonly nodeVersion: string;
  /** POSIX id of the current user: root's schedules are the machine's. */
  readonly uid: number;
}

/** The installed client programs, and what was said about those that cannot be used. */
export interface FoundClients {
  readonly clients: readonly PostgresClient[];
  readonly warnings: readonly string[];
}

export function machineChecks(
  runtime: Runtime,
  machine: MachineFacts,
  strategy: Strategy | null,
  found: FoundClients,
  signal: AbortSignal,
): Check[] {
  const checks: Check[] = [
    { id: "node", required: true, run: () => Promise.resolve(judgeNode(machine.nodeVersion)) },
    { id: "clients", required: true, run: () => Promise.resolve(judgeClients(found)) },
  ];
  if (strategy === null) return checks;
  return [
    ...checks,
    { id: "strategy-file", required: false, run: () => checkStrategyFile(strategy) },
    { id: "scheduler", required: false, run: () => checkScheduler(runtime, machine, strategy, signal) },
    {
      id: "application",
      required: false,
      run: async () => [
        await checkApplications(runtime, strategy, signal),
        ...(await checkVariables(strategy)),
      ],
    },
  ];
}

function judgeNode(version: string): Outcome {
  if (Number(version.split(".")[0]) >= OLDEST_NODE) return ok(`Node ${version}`);
  return problem("usage", `Node ${version} is too old`, `install Node ${OLDEST_NODE} or newer`);
}

function judgeClients({ clients, warnings }: FoundClients): Outcome[] {
  const unusable = warnings.map((text) => warning(text, "repair or remove that installation"));
  if (clients.length === 0) {
    const hint = "`apt-get install postgresql-client` (Debian), or `brew install libpq`";
    return [problem("client_missing", "no PostgreSQL client programs are installed", hint), ...unusable];
  }
  const items = clients.map(({ folder, label }) => `${label} in ${folder}`);
  return [ok(`${counted(clients.length, "set")} of PostgreSQL client programs`, items), ...unusable];
}

async function checkStrategyFile(strategy: Strategy): Promise<Outcome> {
  const { path } = strategy;
  const { mode } = await statStrategy(path);
  if ((mode & WRITABLE_BY_OTHERS) !== 0) {
    return warning(
      `others may change ${path}, which holds commands that run as you`,
      `\`chmod go-w ${path}\``,
    );
  }
  const templates = [...strategy.databases, ...strategy.repositories].map(({ url }) => url.text);
  if ((mode & READABLE_BY_OTHERS) !== 0 && templates.some(hasLiteralPassword)) {
    return warning(
      `${path} holds a password and others may read it`,
      `\`chmod 600 ${path}\`, or take the password from the environment with \`\${NAME}\``,
    );
  }
  return ok(`strategy ${path}`);
}

async function statStrategy(path: string): Promise<{ mode: number }> {
  try {
    return await stat(path);
  } catch (cause) {
    throw new AppError("strategy_invalid", `look at ${path}: ${errorCode(cause) ?? "unknown reason"}`, {
      cause,
    });
  }
}

async function checkScheduler(
  runtime: Runtime,
  { uid }: MachineFacts,
  strategy: Strategy,
  signal: AbortSignal,
): Promise<Outcome> {
  const scheduled = strategy.databases
    .flatMap(({ backups }) => backups)
    .filter(({ schedule }) => schedule !== undefined);
  if (scheduled.length === 0) return ok("no backup is scheduled");
  const hasCron = await isCommand(runtime, "crontab", signal);
  const hasSystemd =
    (await isCommand(runtime, "systemctl", signal)) && (await isRunning(defaultScope(runtime, uid)));
  if (!hasCron && !hasSystemd) {
    return warning(
      `${counted(scheduled.length, "backup")} scheduled, and neither cron nor systemd is here to run them`,
      "`apt-get install cron`, then `handled schedule install`",
    );
  }
  const schedulers = [...(hasCron ? ["cron"] : []), ...(hasSystemd ? ["systemd"] : [])];
  return ok(`${schedulers.join(" and ")} can run ${counted(scheduled.length, "scheduled backup")}`);
}

async function checkApplications(
  runtime: Runtime,
  strategy: Strategy,
  signal: AbortSignal,
): Promise<Outcome> {
  const commands = strategy.databases
    .flatMap(({ application }) =>
      application === undefined ? [] : [application.stop, application.start, application.restart],
    )
    .filter((command) => command !== undefined);
  // Only the first word is told: the rest of the line may hold a secret.
  const words = [...new Set(commands.map(firstWord))].filter((word) => word !== undefined);
  if (words.length === 0) return ok("no application command to look for");
  const missing: string[] = [];
  for (const word of words) if (!(await isCommand(runtime, word, signal))) missing.push(word);
  if (missing.length === 0) return ok(`the application's commands are there: ${words.join(", ")}`);
  return warning(
    `the application's commands are not found: ${missing.join(", ")}`,
    "a swap would not be able to stop and start the application: install them, or write their absolute paths",
  );
}
