import { expect, test } from "vitest";
import { faulty, type Faults } from "../../test/support/faulty-storage.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../test/support/runtime.ts";
import { AppError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { acquireLease, LEASE_MS, type Lease } from "./lease.ts";
import { LeaseFile } from "./manifest.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();

interface World {
  readonly clock: ManualClock;
  readonly runtime: TestRuntime;
  readonly storage: Storage;
  readonly repository: Repository;
  readonly acquire: (operation?: string) => Promise<Lease>;
}

async function world(faults: Faults = {}): Promise<World> {
  const clock = manualClock();
  const runtime = testRuntime({ clock });
  const storage = memoryStorage();
  const sound = await openOrCreateRepository(runtime, storage, signal);
  const repository = { ...sound, storage: faulty(storage, faults) };
  const acquire = (operation = "backup"): Promise<Lease> =>
    acquireLease(runtime, repository, "shop", operation, signal);
  return { clock, runtime, storage, repository, acquire };
}

const elsewhere = {
  host: "other-host",
  user: "ada",
  pid: 4711,
  bootId: "another boot",
  pidNamespace: "pid:[1]",
  processStart: "1",
  operation: "backup",
};

function leaseOf(changes: Partial<LeaseFile> = {}): LeaseFile {
  return {
    format: 1,
    token: "c0a8f7a2-90f5-4a5e-9b1f-5f1e8f0d1c2b",
    holder: elsewhere,
    acquiredAt: "2031-01-01T00:00:00Z",
    renewals: 0,
    released: false,
    ...changes,
  };
}

const put = (storage: Storage, n: number, file: LeaseFile): Promise<void> =>
  storage.put(`shop/lease.${n}.json`, Buffer.from(JSON.stringify(file)), signal);

const read = async (storage: Storage, n: number): Promise<LeaseFile> =>
  LeaseFile.parse(JSON.parse((await storage.get(`shop/lease.${n}.json`, signal)).toString()));

async function numbersIn(storage: Storage): Promise<string[]> {
  return (await Array.fromAsync(storage.list("shop/", "here", signal))).map(({ key }) => key).toSorted();
}

test("a lease is given back and taken again under a higher number, and the old file goes", async () => {
  const { acquire, storage } = await world();
  for (const n of [1, 2, 3]) {
    await using lease = await acquire();
    expect(lease.n).toBe(n);
    expect(await numbersIn(storage)).toEqual([`shop/lease.${n}.json`]);
    expect((await read(storage, n)).released).toBe(false);
    await lease.check(signal);
  }
  expect((await read(storage, 3)).released).toBe(true);
});

test("a holder of this process is known to live at once, and is named", async () => {
  const { acquire } = await world();
  await using lease = await acquire("restore");
  await expect(acquire()).rejects.toMatchObject({
    code: "lease_held",
    message: expect.stringMatching(
      new RegExp(
        `^take the lease of shop: held by restore of .+@.+, process ${process.pid}, since 2024-12-11T14:30:22`,
      ),
    ),
    hint: expect.any(String),
  });
  expect(lease.lost.aborted).toBe(false);
});

test("leases of different databases do not know each other", async () => {
  const { acquire, runtime, repository } = await world();
  await using shop = await acquire();
  await using other = await acquireLease(runtime, repository, "shop2", "backup", signal);
  await Promise.all([shop.check(signal), other.check(signal)]);
  expect([shop.n, other.n]).toEqual([1, 1]);
});

test("a held lease is renewed every sixth of its life", async () => {
  const { acquire, clock, storage } = await world();
  await using lease = await acquire();
  await clock.advance(LEASE_MS * 10);
  expect((await read(storage, 1)).renewals).toBe(60);
  expect(lease.lost.aborted).toBe(false);
  await lease.check(signal);
});

test("a holder elsewhere that shows no life for a whole lease is superseded, not earlier", async () => {
  const { acquire, clock, runtime, storage } = await world();
  await put(storage, 5, leaseOf());
  const acquiring = acquire();
  await clock.pending(1);
  await clock.advance(LEASE_MS - 1);
  expect(await numbersIn(storage)).toEqual(["shop/lease.5.json"]);
  expect(runtime.notes.at(-1)).toContain("backup of ada@other-host (process 4711) may be writing");
  await clock.advance(1);
  await using lease = await acquiring;
  expect(lease.n).toBe(6);
  expect(await numbersIn(storage)).toEqual(["shop/lease.6.json"]);
});

test("a holder elsewhere is left alone as soon as it is seen to live", async () => {
  const { acquire, clock, storage } = await world();
  await put(storage, 5, leaseOf());
  const acquiring = acquire();
  const refused = expect(acquiring).rejects.toMatchObject({
    code: "lease_held",
    message: expect.stringContaining("backup of ada@other-host, process 4711, since 2031-01-01T00:00:00Z"),
  });
  await clock.pending(1);
  await clock.advance(LEASE_MS / 2);
  await put(storage, 5, leaseOf({ renewals: 1 }));
  await clock.advance(LEASE_MS / 12);
  await refused;
});

test("a holder elsewhere that gives the lease back is followed at once", async () => {
  const { acquire, clock, storage } = await world();
  await put(storage, 5, leaseOf());
  const acquiring = acquire();
  await clock.pending(1);
  await put(storage, 5, leaseOf({ released: true }));
  await clock.advance(LEASE_MS / 12);
  await using lease = await acquiring;
  expect(lease.n).toBe(6);
});

test("another watcher that was faster is noticed", async () => {
  const { acquire, clock, storage } = await world();
  await put(storage, 5, leaseOf());
  const acquiring = acquire();
  const refused = expect(acquiring).rejects.toMatchObject({ code: "lease_held" });
  await clock.pending(1);
  await put(storage, 6, leaseOf({ token: "11111111-90f5-4a5e-9b1f-5f1e8f0d1c2b" }));
  await clock.advance(LEASE_MS / 12);
  await refused;
});

test.each([
  ["another boot", { bootId: "another boot" }],
  ["another container", { pidNamespace: "pid:[1]" }],
  ["a system that tells no boot id", { bootId: null }],
])("a pid of %s means nothing: the holder is watched", async (_what, change) => {
  const { acquire, clock, storage } = await world();
  {
    await using _own = await acquire();
  }
  const mine = await read(storage, 1);
  // This very process, but it cannot be known to be on this machine.
  await put(storage, 2, leaseOf({ holder: { ...mine.holder, ...change } }));
  const acquiring = acquire();
  await clock.pending(1);
  await clock.advance(LEASE_MS);
  await using lease = await acquiring;
  expect(lease.n).toBe(3);
});

test.each([
  ["its pid is free", { pid: 2 ** 22 - 1 }],
  ["its pid belongs to a younger process", { processStart: "1" }],
])("a holder on this machine is known to be dead when %s", async (_what, change) => {
  const { acquire, storage } = await world();
  {
    await using _own = await acquire();
  }
  const mine = await read(storage, 1);
  await put(storage, 2, leaseOf({ holder: { ...mine.holder, ...change } }));
  await using lease = await acquire();
  expect(lease.n).toBe(3);
});

test("a damaged lease is watched like one from elsewhere", async () => {
  const { acquire, clock, storage } = await world();
  await storage.put("shop/lease.4.json", Buffer.from('{"for'), signal);
  const acquiring = acquire();
  await clock.pending(1);
  await clock.advance(LEASE_MS);
  await using lease = await acquiring;
  expect(lease.n).toBe(5);
});

test("a lease of a newer program is not superseded", async () => {
  const { acquire, storage } = await world();
  await storage.put("shop/lease.4.json", Buffer.from('{"format":2}'), signal);
  await expect(acquire()).rejects.toMatchObject({ code: "repository_version" });
});

test("waiting for a holder can be cancelled", async () => {
  const { clock, runtime, repository, storage } = await world();
  await put(storage, 5, leaseOf());
  const controller = new AbortController();
  const acquiring = acquireLease(runtime, repository, "shop", "backup", controller.signal);
  const reason = new Error("enough");
  const refused = expect(acquiring).rejects.toBe(reason);
  await clock.pending(1);
  controller.abort(reason);
  await refused;
  expect(await numbersIn(storage)).toEqual(["shop/lease.5.json"]);
});

test("losing the lease aborts whoever works under it, and fails each later check", async () => {
  const { acquire, clock, storage } = await world();
  await using lease = await acquire();
  await put(storage, 2, leaseOf());
  await clock.advance(LEASE_MS / 3);
  expect(lease.lost.aborted).toBe(true);
  expect(lease.lost.reason).toMatchObject({ code: "lease_lost", exitCode: 11 });
  await expect(lease.check(signal)).rejects.toBe(lease.lost.reason);
});

test("a check notices the loss before the next renewal does", async () => {
  const { acquire, storage } = await world();
  await using lease = await acquire();
  await put(storage, 2, leaseOf());
  await expect(lease.check(signal)).rejects.toMatchObject({ code: "lease_lost" });
  expect(lease.lost.aborted).toBe(true);
});

test.each([
  ["the file is gone", async (storage: Storage) => await storage.delete("shop/lease.1.json", signal)],
  ["another token is in it", async (storage: Storage) => await put(storage, 1, leaseOf())],
])("a lease is lost when %s", async (_what, change) => {
  const { acquire, storage } = await world();
  await using lease = await acquire();
  await change(storage);
  await expect(lease.check(signal)).rejects.toMatchObject({ code: "lease_lost" });
});

test("a lost lease is not given back: the file of the new holder stays as it is", async () => {
  const { acquire, storage } = await world();
  const taken = leaseOf();
  {
    await using lease = await acquire();
    await put(storage, 2, taken);
    await expect(lease.check(signal)).rejects.toMatchObject({ code: "lease_lost" });
  }
  expect(await read(storage, 2)).toEqual(taken);
  expect((await read(storage, 1)).released).toBe(false);
});

test("renewals may fail for a while; a holder that cannot renew gives up before others may take over", async () => {
  let broken = false;
  const { acquire, clock, runtime } = await world({
    at: ({ operation }) => (broken && operation === "put" ? new Error("disk gone") : undefined),
  });
  await using lease = await acquire();
  broken = true;
  await clock.advance(LEASE_MS / 2);
  expect(runtime.warnings).toContain("renew the lease of shop: disk gone");
  expect(lease.lost.aborted).toBe(false);
  broken = false;
  await clock.advance(LEASE_MS * 2);
  expect(lease.lost.aborted).toBe(false);
  broken = true;
  await clock.advance(LEASE_MS - 1);
  expect(lease.lost.aborted).toBe(true);
  expect(lease.lost.reason).toMatchObject({ message: expect.stringContaining("could not be renewed") });
});

test("a place that is away for a minute costs nobody the lease, whenever that begins", async () => {
  let away = false;
  const gone = new AppError("repository_unreachable", "nobody answers");
  const { acquire, clock } = await world({ at: () => (away ? gone : undefined) });
  await using lease = await acquire();
  for (let begun = 0; begun < 60; begun++) {
    away = true;
    await clock.advance(60_000);
    away = false;
    // As long as it takes to be renewed for certain, and each time a little longer.
    await clock.advance(LEASE_MS / 2 + 500 * begun);
    expect(lease.lost.aborted).toBe(false);
  }
  await lease.check(signal);
});

test("a failure to give back is a warning, for the operation itself succeeded", async () => {
  let broken = false;
  const { acquire, runtime } = await world({
    at: ({ operation }) => (broken && operation === "put" ? new Error("disk gone") : undefined),
  });
  {
    await using _lease = await acquire();
    broken = true;
  }
  expect(runtime.warnings).toEqual(["give back the lease of shop: disk gone"]);
});

test("a lease whose taking fails half-way does not bar the next", async () => {
  let fail = true;
  const { acquire } = await world({
    at: ({ phase, operation }) => {
      if (!fail || operation !== "putIfAbsent" || phase !== "after") return undefined;
      fail = false;
      return new Error("connection lost");
    },
  });
  await expect(acquire()).rejects.toThrow("connection lost");
  await using lease = await acquire();
  expect(lease.n).toBe(2);
});

test("a number that was used and removed since the look is not mistaken for the lease", async () => {
  let interfere = false;
  const { acquire, storage } = await world({
    at: ({ phase, operation }) => {
      if (!interfere || operation !== "putIfAbsent" || phase !== "before") return undefined;
      interfere = false;
      // Others took 2 and 3 and gave 3 back, all between our look at 1 and our writing of 2.
      void storage.delete("shop/lease.1.json", signal);
      void put(storage, 3, leaseOf({ released: true }));
      return undefined;
    },
  });
  {
    await using _first = await acquire();
  }
  interfere = true;
  await using lease = await acquire();
  expect(lease.n).toBe(4);
  expect(await numbersIn(storage)).toEqual(["shop/lease.4.json"]);
});
