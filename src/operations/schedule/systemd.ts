import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError, errorCode } from "../../errors.ts";
import { syncFolder, writeDurable } from "../../lib/durable.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ScheduledStrategy } from "./jobs.ts";
import type { ScheduledLine } from "./plan.ts";
import { isRunning, runOrTell, systemctl, type SystemdScope, typedCommands } from "./systemctl.ts";
import { DAEMON_UNIT, ownershipMark, renderUnits, type UnitFile } from "./systemd-units.ts";

export interface SystemdChange {
  readonly changed: boolean;
  /** What to type so that the change takes effect; empty when that is done already. */
  readonly commands: readonly string[];
}

export interface SystemdInstallation {
  readonly files: readonly UnitFile[];
  /** Names of those that are switched on: timers, or a service. */
  readonly units: readonly string[];
  /** Whether they are switched on at all. */
  readonly enable: boolean;
}

/** The timers of a strategy's lines, and what they start. */
export function timerUnits(
  scope: SystemdScope,
  strategy: ScheduledStrategy,
  lines: readonly ScheduledLine[],
  logFile: string,
): Pick<SystemdInstallation, "files" | "units"> {
  const all = lines.map((line) => renderUnits(strategy, line, logFile, scope.kind === "user"));
  return {
    files: all.flatMap(({ timer, service }) => [service, timer]),
    units: all.map(({ timer }) => timer.name),
  };
}

/**
 * Writes units of a strategy, removes those it no longer has, and switches them on. Throws
 * `target_exists` when another strategy has units of the same names, `tool_failed` when `systemctl` fails.
 */
export async function installSystemd(
  runtime: Runtime,
  scope: SystemdScope,
  strategy: ScheduledStrategy,
  { files, units, enable }: SystemdInstallation,
  signal: AbortSignal,
): Promise<SystemdChange> {
  await mkdir(scope.folder, { recursive: true });
  const present = await readUnits(scope);
  refuseForeign(scope, present, strategy.path, files);
  const stale = [...ownNames(present, strategy.path)].filter((name) =>
    files.every((file) => file.name !== name),
  );
  const fresh = files.filter(({ name, text }) => present.get(name) !== text);
  await switchOff(runtime, scope, stale, signal);
  for (const { name, text } of fresh) await writeDurable(join(scope.folder, name), text, 0o644);
  // Both change nothing where nothing changed, and mend what an interrupted installation left.
  const toldToReload = await runOrTell(runtime, scope, [["daemon-reload"]], signal);
  // What runs already goes on with its old unit until it is told.
  const changed = units.filter(
    (name) => name.endsWith(".service") && fresh.some((file) => file.name === name),
  );
  const switchOn = [
    ["enable", "--now", ...units],
    ...(changed.length === 0 ? [] : [["try-restart", ...changed]]),
  ];
  const toldToEnable = enable
    ? await runOrTell(runtime, scope, switchOn, signal)
    : typedCommands(scope, switchOn);
  return { changed: stale.length > 0 || fresh.length > 0, commands: [...toldToReload, ...toldToEnable] };
}

/** The unit files of a strategy that are there, sorted by name. */
export async function showSystemd(scope: SystemdScope, strategyPath: string): Promise<UnitFile[]> {
  const present = await readUnits(scope);
  return [...ownNames(present, strategyPath)].map((name) => ({ name, text: present.get(name) ?? "" }));
}

/** Switches those of a strategy's units off and removes them that `isWanted` names. Throws `tool_failed` when `systemctl` fails. */
export async function removeSystemd(
  runtime: Runtime,
  scope: SystemdScope,
  strategyPath: string,
  isWanted: (name: string) => boolean,
  signal: AbortSignal,
): Promise<SystemdChange> {
  const names = [...ownNames(await readUnits(scope), strategyPath)].filter(isWanted);
  if (names.length === 0) return { changed: false, commands: [] };
  await switchOff(runtime, scope, names, signal);
  return { changed: true, commands: await runOrTell(runtime, scope, [["daemon-reload"]], signal) };
}

/** Disables the timers among these units and deletes the files: in this order, or systemd forgets what to stop. */
async function switchOff(
  runtime: Runtime,
  scope: SystemdScope,
  names: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (names.length === 0) return;
  const started = names.filter((name) => name.endsWith(".timer") || name === DAEMON_UNIT);
  if (started.length > 0 && (await isRunning(scope)))
    await systemctl(runtime, scope, ["disable", "--now", ...started], signal);
  for (const name of names) {
    await rm(join(scope.folder, name), { force: true });
    // The link by which a timer was switched on, where no systemd runs that would have removed it.
    for (const target of ["timers", "multi-user", "default"])
      await rm(join(scope.folder, `${target}.target.wants`, name), { force: true });
  }
  await syncFolder(scope.folder);
}

/** All of Handled's units in the folder, of whatever strategy: name → text. */
async function readUnits(scope: SystemdScope): Promise<Map<string, string>> {
  const units = new Map<string, string>();
  for (const name of (await namesIn(scope.folder)).toSorted()) {
    if (/^handled-.*\.(timer|service)$/.test(name)) {
      units.set(name, await readFile(join(scope.folder, name), "utf8"));
    }
  }
  return units;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function ownNames(units: ReadonlyMap<string, string>, strategyPath: string): Set<string> {
  const mark = `${ownershipMark(strategyPath)}\n`;
  return new Set([...units].flatMap(([name, text]) => (text.startsWith(mark) ? [name] : [])));
}

function refuseForeign(
  scope: SystemdScope,
  present: ReadonlyMap<string, string>,
  strategyPath: string,
  files: readonly UnitFile[],
): void {
  const own = ownNames(present, strategyPath);
  const taken = files.find(({ name }) => present.has(name) && !own.has(name));
  if (taken === undefined) return;
  throw new AppError("target_exists", `write ${join(scope.folder, taken.name)}: it is not this strategy's`, {
    hint: "its first line tells whose it is: remove it there with `handled schedule remove --systemd`, or rename a backup",
  });
}
