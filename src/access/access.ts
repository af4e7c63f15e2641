import type { Runtime } from "../lib/runtime.ts";
import { accessFile, openAccessDatabase } from "./access-database.ts";
import { Audit } from "./audit.ts";
import { Sessions } from "./sessions.ts";
import { Tokens } from "./tokens.ts";
import { Users } from "./users.ts";

/** Who may do what through the daemon of a strategy, and what they did. */
export interface Access extends Disposable {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly audit: Audit;
}

/** @param strategyPath absolute */
export async function openAccess(runtime: Runtime, strategyPath: string): Promise<Access> {
  const database = await openAccessDatabase(accessFile(runtime, strategyPath));
  const users = new Users(database, runtime.clock);
  return {
    users,
    sessions: new Sessions(database, users, runtime.clock),
    tokens: new Tokens(database, users, runtime.clock),
    audit: new Audit(database, runtime.clock),
    [Symbol.dispose]: () => database.close(),
  };
}
