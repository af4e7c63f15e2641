import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { openAccessDatabase } from "./access-database.ts";
import { Audit, checkedLog } from "./audit.ts";

const MANY = 1_100;

test("a log of more than is looked at in one go is checked as a whole, and is found by parts of names", async () => {
  using database = await openAccessDatabase(":memory:");
  const audit = new Audit(database, manualClock());
  expect(await checkedLog(audit)).toEqual({ entries: 0, broken: null });
  for (let i = 1; i <= MANY; i++)
    audit.append({ who: i % 100 === 0 ? "Bob (token 50%)" : "ada", what: "backup", subject: "", source: "" });
  expect(await checkedLog(audit)).toEqual({ entries: MANY, broken: null });

  const seqs = (who: string, before = MANY + 1) => audit.list(before, 3, { who }).map(({ seq }) => seq);
  expect(seqs("bob")).toEqual([1_100, 1_000, 900]);
  expect(seqs("50%", 900)).toEqual([800, 700, 600]);
  expect(seqs("5_%")).toEqual([]);
  expect(audit.list(MANY, 3, { who: "bob", what: "restore" })).toEqual([]);

  database.exec("drop trigger audit_keeps; update audit set who = 'eve' where seq = 1001");
  expect(await checkedLog(audit)).toEqual({ entries: 1_000, broken: "entry 1001 was changed" });
  database.exec("drop trigger audit_stays; delete from audit where seq = 501");
  expect(await checkedLog(audit)).toEqual({ entries: 500, broken: "entry 501 is missing" });
});
