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
