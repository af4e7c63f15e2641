import { userInfo } from "node:os";
import type { Runtime } from "./runtime.ts";

/** Where `~` is. Without HOME (a bare cron line) the user database knows, as it does for libpq. */
export function homeFolder(runtime: Runtime): string {
  return runtime.env["HOME"] || userInfo().homedir;
}
