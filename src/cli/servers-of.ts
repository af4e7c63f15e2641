import { AppError } from "../errors.ts";
import { describeConnection } from "../postgres/connection.ts";
import type { Target } from "./targets.ts";

/** Where each database's server is; one that cannot be told is left out, for it is the one that is lost. */
export async function serversOf(targets: readonly Target[]): Promise<Map<string, string>> {
  const servers = new Map<string, string>();
  for (const target of targets) {
    try {
      servers.set(target.name, describeConnection(await target.connection()));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted") throw error;
    }
  }
  return servers;
}
