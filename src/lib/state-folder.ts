import { createHash } from "node:crypto";
import { isAbsolute, join } from "node:path";
import { homeFolder } from "./home-folder.ts";
import type { Runtime } from "./runtime.ts";

/** Where our programs keep what is to outlive a restart (XDG Base Directory Specification). */
export function stateFolder(runtime: Runtime): string {
  const xdg = runtime.env["XDG_STATE_HOME"];
  // A relative path there is invalid and to be ignored.
  const state = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeFolder(runtime), ".local/state");
  return join(state, "handled");
}

/** What the state of one strategy is called there: another file is another strategy. @param path absolute */
export function strategyStateName(path: string): string {
  return createHash("sha256").update(path).digest("hex").slice(0, 16);
}
