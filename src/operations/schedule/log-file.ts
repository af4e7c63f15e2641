import { mkdir, open } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { AppError, messageOf } from "../../errors.ts";
import { homeFolder } from "../../lib/home-folder.ts";
import type { Runtime } from "../../lib/runtime.ts";

/** Where scheduled runs of a user write: `/var/log/handled.log` for root, otherwise in the user's state folder. */
export function defaultLogFile(runtime: Runtime, uid: number): string {
  if (uid === 0) return "/var/log/handled.log";
  // The XDG specification: a relative path there is invalid and to be ignored.
  const state = runtime.env["XDG_STATE_HOME"];
  const folder = state !== undefined && isAbsolute(state) ? state : join(homeFolder(runtime), ".local/state");
  return join(folder, "handled/handled.log");
}

/** Makes the log file and its folder, if need be: a run that cannot open its log does not even begin. */
export async function prepareLogFile(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    // The lines name databases, hosts and roles: not for every user of the machine.
    await using _file = await open(path, "a", 0o640);
  } catch (cause) {
    throw new AppError("usage", `open the log file: ${messageOf(cause)}`, {
      cause,
      hint: "name another one with `--log FILE`",
    });
  }
}
