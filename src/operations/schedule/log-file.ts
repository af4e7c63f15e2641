import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { stateFolder } from "../../lib/state-folder.ts";

/** Where scheduled runs of a user write: `/var/log/handled.log` for root, otherwise in the user's state folder. */
export function defaultLogFile(runtime: Runtime, uid: number): string {
  return uid === 0 ? "/var/log/handled.log" : join(stateFolder(runtime), "handled.log");
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
