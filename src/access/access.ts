import type { Runtime } from "../lib/runtime.ts";
import { accessFile, inTransaction, openAccessDatabase } from "./access-database.ts";
import { type Act, Audit } from "./audit.ts";
import { Identities } from "./identities.ts";
import { Sessions } from "./sessions.ts";
import { Tokens } from "./tokens.ts";
import { Users } from "./users.ts";

/** Who may do what through the daemon of a strategy, and what they did. */
export interface Access extends Disposable {
  readonly users: Users;
  readonly identities: Identities;
  readonly sessions: Sessions;
  readonly tokens: Tokens;
  readonly audit: Audit;
  /**
   * Does something, and writes down that it was done: both are kept, or neither. Fails where one of the two does.
   * @param acts what to write down of what came of it
   */
  record<Result>(work: () => Result, acts: (result: Result) => Act | readonly Act[]): Result;
}

/** @param strategyPath absolute */
export async function openAccess(runtime: Runtime, strategyPath: string): Promise<Access> {
  const database = await openAccessDatabase(accessFile(runtime, strategyPath));
  const users = new Users(database, runtime.clock);
  const audit = new Audit(database, runtime.clock);
  return {
    users,
    identities: new Identities(database, users),
    sessions: new Sessions(database, users, runtime.clock),
    tokens: new Tokens(database, users, runtime.clock),
    audit,
    record: (work, acts) =>
      inTransaction(database, () => {
        const result = work();
        for (const act of [acts(result)].flat()) audit.append(act);
        return result;
      }),
    [Symbol.dispose]: () => database.close(),
  };
}
