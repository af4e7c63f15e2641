import type { Runtime } from "../lib/runtime.ts";

// What programs need to run at all. Anything else may lead them to the live database.
const COMMON = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/** The environment of a program that must not find the live database by itself: what is common, and these variables of ours. */
export function commonEnvironment(runtime: Runtime, names: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of [...COMMON, ...names]) {
    const value = runtime.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
