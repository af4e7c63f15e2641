import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { systemTimeZone, timeZoneProblem } from "../../config/time-zone.ts";
import { AppError, errorCode } from "../../errors.ts";

/**
 * The time zone in which cron fires: the machine's own. Ours may be another, when `TZ` is set.
 * `configFolder` is where the machine keeps it (`/etc`).
 */
export async function machineTimeZone(configFolder = "/etc"): Promise<string> {
  const link = await ifThere(readlink(join(configFolder, "localtime")));
  const linked = link?.split("/zoneinfo/").at(1);
  if (isZone(linked)) return linked;
  // A copy instead of a link tells no name; Debian keeps it beside it.
  const named = (await ifThere(readFile(join(configFolder, "timezone"), "utf8")))?.trim();
  return isZone(named) ? named : systemTimeZone();
}

/** Throws `usage` unless cron, which has no time zones, fires when the strategy says. */
export async function requireMachineTimeZone(strategyZone: string, configFolder?: string): Promise<void> {
  const machine = await machineTimeZone(configFolder);
  if (canonical(machine) === canonical(strategyZone)) return;
  throw new AppError(
    "usage",
    `schedule with cron: the strategy's time zone is ${strategyZone}, cron fires in the machine's, ${machine}`,
    {
      hint: `use \`--systemd\`, whose timers know time zones, or write \`timezone: ${machine}\` and schedules that fit`,
      details: { strategyZone, machine },
    },
  );
}

function isZone(name: string | undefined): name is string {
  return name !== undefined && timeZoneProblem(name) === undefined;
}

/** Names of one zone (`Etc/UTC`, `UTC`) are the same. */
function canonical(zone: string): string {
  return new Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
}

async function ifThere(read: Promise<string>): Promise<string | undefined> {
  try {
    return await read;
  } catch (error) {
    // EINVAL: it is a file, not a link.
    if (errorCode(error) === "ENOENT" || errorCode(error) === "EINVAL") return undefined;
    throw error;
  }
}
