import { createHash } from "node:crypto";
import { ERRORS } from "../../errors.ts";
import { parseCron, toCalendarEvents } from "./cron-expression.ts";
import { describeJob, type ScheduledStrategy } from "./jobs.ts";
import type { ScheduledLine } from "./plan.ts";
import { quoteForSystemd, systemdValue } from "./quoting.ts";

// Names may have 255 bytes, and `systemctl` shows them in a table.
const LONGEST_ESCAPED_NAME = 150;

export interface UnitFile {
  /** `handled-data-nightly.timer`. */
  readonly name: string;
  readonly text: string;
}

/** The timer and the service of a job. `forUser`: units of a user's own systemd, not of the machine's. */
export function renderUnits(
  strategy: ScheduledStrategy,
  line: ScheduledLine,
  logFile: string,
  forUser: boolean,
): { timer: UnitFile; service: UnitFile } {
  const name = unitName(line);
  const { database } = line;
  const isWatch = database === null;
  const what = isWatch ? "how everything is, and who is told" : `${describeJob(line)} of ${database}`;
  const description = systemdValue(`Handled: ${what}`);
  const events = toCalendarEvents(parseCron(line.schedule), strategy.timeZone);
  const log = systemdValue(logFile);
  return {
    timer: {
      name: `${name}.timer`,
      text: unitText(strategy, [
        "[Unit]",
        `Description=${description}`,
        "",
        "[Timer]",
        ...events.map((event) => `OnCalendar=${event}`),
        "# A run missed while the machine was off is made up once.",
        "Persistent=true",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
      ]),
    },
    service: {
      name: `${name}.service`,
      text: unitText(strategy, [
        "[Unit]",
        `Description=${description}`,
        // A user's systemd does not know about the machine's network.
        ...(forUser ? [] : ["Wants=network-online.target", "After=network-online.target"]),
        "",
        "[Service]",
        "Type=oneshot",
        // That something is wrong is what it is there to say, not a failure of the unit.
        ...(isWatch ? [`SuccessExitStatus=${ERRORS.unhealthy.exit}`] : []),
        `ExecStart=${line.command.map(quoteForSystemd).join(" ")}`,
        `StandardOutput=append:${log}`,
        `StandardError=append:${log}`,
      ]),
    },
  };
}

/** The service in which `handled serve` runs. `logFile`: where it writes; undefined: the journal. */
export function renderDaemonUnit(
  strategy: ScheduledStrategy,
  { command, logFile }: { readonly command: readonly string[]; readonly logFile: string | undefined },
  forUser: boolean,
): UnitFile {
  const log = logFile === undefined ? undefined : systemdValue(logFile);
  return {
    name: DAEMON_UNIT,
    text: unitText(strategy, [
      "[Unit]",
      `Description=${systemdValue(`Handled: everything that ${strategy.path} schedules`)}`,
      ...(forUser ? [] : ["Wants=network-online.target", "After=network-online.target"]),
      "",
      "[Service]",
      `ExecStart=${command.map(quoteForSystemd).join(" ")}`,
      "ExecReload=/bin/kill -HUP $MAINPID",
      "Restart=on-failure",
      "RestartSec=10",
      "# It tells its jobs to stop itself, and waits for them.",
      "KillMode=mixed",
      "TimeoutStopSec=60",
      ...(log === undefined ? [] : [`StandardOutput=append:${log}`, `StandardError=append:${log}`]),
      "",
      "[Install]",
      `WantedBy=${forUser ? "default.target" : "multi-user.target"}`,
    ]),
  };
}

/** No job's unit is called so, nor as the next: theirs have a database and what is done of it. */
export const DAEMON_UNIT = "handled-serve.service";

const WATCH_UNIT = "handled-notify";

/** The first line of every unit file of a strategy; by it they are found again. */
export function ownershipMark(strategyPath: string): string {
  return `# Written by handled for ${strategyPath}; changes here are lost`;
}

function unitText(strategy: ScheduledStrategy, lines: readonly string[]): string {
  return `${[ownershipMark(strategy.path), ...lines].join("\n")}\n`;
}

/**
 * `handled-<database>-<backup>`, or `handled-<database>-verify:<entry>` and the like, the database escaped as systemd does it
 * (`my-data` → `my\x2ddata`), so that no two jobs share a name: no entry has a colon.
 */
export function unitName({
  database,
  operation,
  entry,
}: Pick<ScheduledLine, "database" | "operation" | "entry">): string {
  if (database === null) return WATCH_UNIT;
  const escaped = [...Buffer.from(database, "utf8")]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9:_.]/.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
    })
    .join("");
  const short =
    escaped.length <= LONGEST_ESCAPED_NAME
      ? escaped
      : createHash("sha256").update(database).digest("hex").slice(0, 32);
  const what = operation === "backup" ? entry : `${operation}:${entry ?? "all"}`;
  return `handled-${short}-${what}`;
}
