import { expect, test } from "vitest";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { contentKey, tablesKey } from "../../repository/layout.ts";
import { acquireLease } from "../../repository/lease.ts";
import { BackupId } from "../../repository/manifest.ts";
import { openOrCreateRepository } from "../../repository/repository.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { removeIndexless } from "./indexless.ts";

const ID = BackupId.parse("20241211T143022Z-7f3a");
const signal = noAbort();

test("remains of a backup that are still locked are left, and told until when", async () => {
  const runtime = testRuntime({ clock: manualClock() });
  const memory = memoryStorage();
  const repository = await openOrCreateRepository(runtime, memory, signal);
  const keys = [tablesKey("shop", ID), contentKey("shop", ID)];
  for (const key of keys) await memory.put(key, Buffer.from("{}\n"), signal);
  await using lease = await acquireLease(runtime, repository, "shop", "repair", signal);
  const until = new Date("2031-02-03T00:00:00Z");
  let isLocked = true;
  const locks = {
    windowMs: 1,
    mode: "compliance" as const,
    now: async () => await Promise.resolve(runtime.clock.now()),
    extend: async () => await Promise.resolve(true),
    lockedUntil: async (key: string) =>
      await Promise.resolve(isLocked && key === keys[1] ? until : undefined),
  };
  const locking = { ...repository, storage: { ...memory, locks } };
  const repair = () => removeIndexless(runtime, locking, "shop", [ID], 0, lease, signal);
  expect(await repair()).toMatchObject({ noted: [ID], locked: [] });
  expect(await repair()).toMatchObject({ deleted: [], locked: [{ id: ID, until }] });
  expect(await memory.stat(keys[0] ?? "", signal)).toBeDefined();
  isLocked = false;
  expect(await repair()).toMatchObject({ deleted: [ID], locked: [] });
  expect(await memory.stat(keys[0] ?? "", signal)).toBeUndefined();
});
