import { hostname } from "node:os";
import { type Access, openAccess } from "../access/access.ts";
import type { Act } from "../access/audit.ts";
import { userName } from "../repository/holder.ts";
import type { Cli } from "./cli.ts";
import { requireStrategyPath } from "./strategy-file.ts";

/** Opens what says who may sign in to the daemon of the strategy, for as long as the work takes. */
export async function withAccess(cli: Cli, work: (access: Access) => Promise<void> | void): Promise<void> {
  using access = await openAccess(cli.runtime, await requireStrategyPath(cli));
  await work(access);
}

/** Who does something at a terminal, and from where, for the audit log. */
export function atTerminal(): Pick<Act, "who" | "source"> {
  return { who: userName(), source: `a terminal of ${hostname()}` };
}
