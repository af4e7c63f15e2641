import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import type { Runtime } from "./runtime.ts";

export function homeFolder(runtime: Runtime): string {
  return runtime.env["HOME"] || homedir();
}

/** Where a user's programs keep what is to outlive a restart (XDG Base Directory Specification): our own folder in it. */
export function stateFolder(runtime: Runtime): string {
  const xdg = runtime.env["XDG_STATE_HOME"];
  // A relative path there is invalid and to be ignored.
  const state = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeFolder(runtime), ".local/state");
  return join(state, "handled");
}
