import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError, errorCode, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder, strategyStateName } from "../lib/state-folder.ts";

// The daemon and commands write to it at the same time.
const BUSY_MS = 10_000;

const SCHEMA = `
create table if not exists users (
  name text primary key collate nocase, role text not null, password text, created_at text not null
) strict;
create table if not exists sessions (
  hash text primary key, user text not null references users (name) on delete cascade on update cascade,
  how text not null, created_at integer not null, seen_at integer not null, proven_at integer not null
) strict;
create table if not exists identities (
  issuer text not null, subject text not null,
  user text not null unique references users (name) on delete cascade on update cascade, primary key (issuer, subject)
) strict;
create table if not exists tokens (
  id text primary key, hash text not null unique, label text not null,
  user text not null references users (name) on delete cascade on update cascade,
  role text not null, dangerous integer not null, created_at text not null, expires_at integer not null, used_at text
) strict;
create table if not exists audit (
  seq integer primary key, at text not null, who text not null, what text not null, subject text not null,
  source text not null, previous text not null, hash text not null
) strict;
create trigger if not exists audit_keeps before update on audit begin select raise(abort, 'the audit log is only added to'); end;
create trigger if not exists audit_stays before delete on audit begin select raise(abort, 'the audit log is only added to'); end;
create table if not exists facts (name text primary key, value text not null) strict;
`;

/** Where users, their sessions and tokens, and the audit log of a strategy's daemon are kept on this machine. */
export function accessFile(runtime: Runtime, strategyPath: string): string {
  const name = strategyStateName(strategyPath);
  return join(stateFolder(runtime), "access", `${name}.sqlite`);
}

/**
 * Opens it, and makes it where it is not there yet. Fails with `unexpected` where it is damaged or cannot be written: then nobody is let in.
 * @param path absolute
 */
export async function openAccessDatabase(path: string): Promise<DatabaseSync> {
  await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
  try {
    const database = new DatabaseSync(path, { timeout: BUSY_MS, enableForeignKeyConstraints: true });
    // What was answered is on the disk.
    database.exec("pragma journal_mode = wal; pragma synchronous = full;");
    database.exec(SCHEMA);
    return database;
  } catch (cause) {
    throw new AppError("unexpected", `open ${path}: ${messageOf(cause)}`, {
      cause,
      hint: "it holds who may sign in; move it away to begin anew, with a new set-up link",
    });
  }
}

/**
 * Does it all or, where it throws, none of it; no other process writes meanwhile. Within another it is a part of that. Fails with
 * `audit_unwritable` where the file cannot be written.
 */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  if (database.isTransaction) return work();
  try {
    database.exec("begin immediate");
    const result = work();
    database.exec("commit");
    return result;
  } catch (error) {
    // A full disk may have ended it already.
    if (database.isTransaction) database.exec("rollback");
    if (errorCode(error) !== "ERR_SQLITE_ERROR") throw error;
    throw new AppError("audit_unwritable", `write ${database.location() ?? "users"}: ${messageOf(error)}`, {
      cause: error,
      hint: "nothing was changed, since the audit log could not say so; see that its disk has space, and may be written to",
    });
  }
}
