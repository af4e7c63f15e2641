import { expect, test } from "vitest";
import { statusOf } from "../../test/support/database-status.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { Health } from "../health/health.ts";
import { emptyListing } from "../operations/list-places.ts";
import type { Repository } from "../repository/repository.ts";
import { DaemonLooks } from "./daemon-looks.ts";

const PLACE = { place: "a place" } as Repository;

function healthOf(...databases: Health["databases"]): Health {
  return { healthy: true, findings: [], databases };
}

const SHOP = healthOf(
  statusOf("shop", { listing: { ...emptyListing("shop"), repositories: [PLACE] } }),
  statusOf("new", { listing: emptyListing("new") }),
  statusOf("unread"),
);

function look(looks: DaemonLooks, meanwhile: () => void = () => undefined): void {
  using begun = looks.begin();
  meanwhile();
  begun.found(SHOP);
}

test("whoever asks before the first look has ended waits for it, and learns where it comes to nothing", async () => {
  const [good, bad] = [new DaemonLooks(manualClock()), new DaemonLooks(manualClock())];
  const waiting = [good.first(), good.first(), bad.first()];
  look(good);
  expect(() => {
    using _begun = bad.begin();
    throw new Error("it cannot look");
  }).toThrow();
  expect(await Promise.all(waiting)).toEqual([good.overview, good.overview, undefined]);
  expect(good.overview?.databases.map(({ database }) => database)).toEqual(["shop", "new", "unread"]);
});

test("what it listed is held, but of what could be read, until something is done to the backups", () => {
  const looks = new DaemonLooks(manualClock());
  expect(looks.listing("shop")).toBeUndefined();
  look(looks);
  expect(looks.listing("shop")).toEqual({ ...emptyListing("shop"), repositories: undefined, provider: null });
  expect([looks.listing("new"), looks.listing("unread")]).toEqual([undefined, undefined]);
  looks.changed();
  expect(looks.listing("shop")).toBeUndefined();
  look(looks);
  expect(looks.listing("shop")).toBeDefined();
});

test("what a look listed while something was done to the backups is not held", () => {
  const looks = new DaemonLooks(manualClock());
  look(looks, () => looks.changed());
  expect(looks.listing("shop")).toBeUndefined();
  expect(looks.overview).toBeDefined();
});

test("where no look comes to an end any more, what the last one listed is not held for ever", async () => {
  const clock = manualClock();
  const looks = new DaemonLooks(clock);
  look(looks);
  await clock.advance(14 * 60_000);
  expect(looks.listing("shop")).toBeDefined();
  await clock.advance(2 * 60_000);
  expect(looks.listing("shop")).toBeUndefined();
});

test("a database is listed once for all that ask at the same time, and anew after a change", async () => {
  const looks = new DaemonLooks(manualClock());
  const asked: PromiseWithResolvers<void>[] = [];
  const list = async (): Promise<number> => {
    let own = -1;
    await looks.list("shop", async () => {
      own = asked.length;
      asked.push(Promise.withResolvers());
      await asked[own]?.promise;
      return { ...emptyListing("shop"), provider: null };
    });
    return own;
  };
  const first = [list(), list()];
  looks.changed();
  const second = [list(), list()];
  expect(asked.length).toBe(2);
  for (const one of asked) one.resolve();
  expect(await Promise.all([...first, ...second])).toEqual([0, -1, 1, -1]);
  const third = list();
  expect(asked.length).toBe(3);
  asked[2]?.resolve();
  expect(await third).toBe(2);
});

test("what was done since a look began is for another, after a rest: looking is never all it does", async () => {
  const clock = manualClock();
  const now = (): string => clock.now().toISOString();
  const looks = new DaemonLooks(clock);
  // The first will see it.
  expect(looks.isNews(now())).toBe(false);
  for (const { tookMs, restMs } of [
    { tookMs: 100, restMs: 5000 },
    { tookMs: 30_000, restMs: 120_000 },
  ]) {
    const before = now();
    let meanwhile: string;
    {
      using _begun = looks.begin();
      await clock.advance(tookMs);
      meanwhile = now();
      expect(looks.isNews(meanwhile)).toBe(false);
    }
    await clock.advance(restMs - 1);
    expect(looks.isNews(meanwhile)).toBe(false);
    await clock.advance(1);
    expect([before, meanwhile, now()].map((at) => looks.isNews(at))).toEqual([false, true, true]);
  }
});
