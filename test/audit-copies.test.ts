import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { accessFile } from "../src/access/access-database.ts";
import { openAccess } from "../src/access/access.ts";
import { compareAudit, keepAudit } from "../src/access/audit-copies.ts";
import { auditHash } from "../src/access/audit.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { auditKey } from "../src/repository/layout.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import { cliEnvironment } from "./support/cli.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const signal = new AbortController().signal;

/** A log of four entries, three of which lie in a repository. */
async function logged() {
  const folder = await temporaryFolder();
  const runtime = makeRuntime({ env: cliEnvironment({ XDG_STATE_HOME: folder.path }) });
  const path = `${folder.path}/handled.yaml`;
  const storage = memoryStorage();
  const access = await openAccess(runtime, path);
  const act = (what: string) =>
    access.audit.append({ who: "ada", what, subject: "data", source: "127.0.0.1" });
  for (const what of ["backup", "verify", "restore"]) act(what);
  const kept = await keepAudit(storage, access.audit, signal);
  act("drill");
  return {
    file: accessFile(runtime, path),
    storage,
    audit: access.audit,
    kept,
    key: (seq: number) => auditKey(access.audit.chain(), seq),
    broken: async () => (await compareAudit(storage, access.audit, signal)).broken,
    [Symbol.asyncDispose]: async () => {
      access[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("what was done is brought to the repository once, and goes on where it ended", async () => {
  await using log = await logged();
  expect(log.kept).toBe(3);
  expect(await compareAudit(log.storage, log.audit, signal)).toMatchObject({
    entries: 3,
    behind: 1,
    broken: undefined,
    others: [],
  });
  expect([
    await keepAudit(log.storage, log.audit, signal),
    await keepAudit(log.storage, log.audit, signal),
  ]).toEqual([1, 0]);
  expect(await log.broken()).toBeUndefined();
});

test("an entry that was changed, taken out or cut off in the repository is found", async () => {
  for (const [seq, change, said] of [
    [2, (text: string) => text.replace("verify", "backup"), /entry 2/],
    [2, undefined, /entry 2 is gone/],
    [3, undefined, /1 entries that were brought/],
    [1, () => "{", /0000000001/],
  ] as const) {
    await using log = await logged();
    const key = log.key(seq);
    if (change === undefined) await log.storage.delete(key, signal);
    else await log.storage.put(key, Buffer.from(change(String(await log.storage.get(key, signal)))), signal);
    expect(await log.broken()).toMatch(said);
  }
});

test("a local log that was written anew as a whole, with hashes that fit, or cut short, is found by the copies", async () => {
  await using log = await logged();
  using database = new DatabaseSync(log.file);
  // Whoever owns the file can do that.
  database.exec("drop trigger audit_keeps; drop trigger audit_stays; update audit set who = 'bob'");
  let previous = "0".repeat(64);
  for (const entry of Array.from(log.audit.all())) {
    const hash = auditHash({ ...entry, previous });
    database.prepare("update audit set previous = ?, hash = ? where seq = ?").run(previous, hash, entry.seq);
    previous = hash;
  }
  expect(await log.broken()).toMatch(/entry 1 is not the same/);
  await expect(keepAudit(log.storage, log.audit, signal)).resolves.toBe(1);
  database.exec("delete from audit");
  expect(await log.broken()).toMatch(/entry 1 is in the repository, and not on this machine/);
});
