import { expect, test } from "vitest";
import { acquireLease } from "../src/repository/lease.ts";
import { openOrCreateRepository } from "../src/repository/repository.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { type LeaseChild, startLeaseChild } from "./support/lease-child.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const signal = noAbort();

test("of processes that try at once exactly one gets the lease, round after round", async () => {
  await using folder = await temporaryFolder();
  await using children = new AsyncDisposableStack();
  const starting = Array.from({ length: 12 }, () => startLeaseChild(folder.path));
  const contenders = (await Promise.all(starting)).map((child) => children.use(child));
  // Three rounds: never taken before, given back, and left by a dead holder.
  for (const end of ["release", "kill", "release"] as const) {
    const round = contenders.splice(0, 4);
    const answers = await Promise.all(round.map((child) => child.try()));
    expect(answers.toSorted()).toEqual([
      "held",
      ...Array.from({ length: 3 }, () =>
        expect.stringMatching(/^lease_held take the lease of shop: held by backup of /),
      ),
    ]);
    const winner = round[answers.indexOf("held")] as LeaseChild;
    await winner[end]();
  }
});

test("a killed holder is replaced at once, a living one never", async () => {
  await using folder = await temporaryFolder();
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, openFilesystem(runtime, folder.path), signal);
  await using child = await startLeaseChild(folder.path);
  expect(await child.try()).toBe("held");
  const started = performance.now();
  await expect(acquireLease(runtime, repository, "shop", "prune", signal)).rejects.toMatchObject({
    code: "lease_held",
    exitCode: 11,
  });
  await child.kill();
  await using lease = await acquireLease(runtime, repository, "shop", "prune", signal);
  expect(lease.n).toBe(2);
  expect(runtime.notes.at(-1)).toContain("is dead: taking over its lease");
  // Neither answer needed watching, which takes minutes.
  expect(performance.now() - started).toBeLessThan(20_000);
});
