import { cp, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { expectedDatabase } from "../support/backed-up.ts";
import { runCli } from "../support/cli.ts";
import { filesOf } from "../support/leftovers.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { killAtEveryMoment } from "./harness.ts";
import { momentsOfChange } from "./moments.ts";
import {
  expectSound,
  expectTidied,
  pruneArgs,
  type SnapshotLane,
  snapshotLane,
  takeSnapshot,
} from "./snapshot-lane.ts";

const LANES = 3;
const KEEP = "last=2";

/** Four snapshots, of which the oldest is deleted already: what only that one needed is noted. */
async function makeTemplate(owned: AsyncDisposableStack): Promise<SnapshotLane> {
  const lane = await snapshotLane(owned);
  for (let n = 0; n < 4; n++) await takeSnapshot(lane, "last=4");
  const result = await runCli(pruneArgs(lane, "last=3"));
  expect(result.code, result.stderr).toBe(0);
  await expectSound(lane);
  expect((await filesOf(lane.folder)).filter((file) => file.endsWith(".note"))).toHaveLength(1);
  return lane;
}

test("a prune that is killed at any moment keeps what is kept whole, and the next ones complete it", {
  timeout: 240_000,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const template = await makeTemplate(owned);
  const begin = async (lane: SnapshotLane): Promise<void> => {
    await rm(lane.folder, { recursive: true, force: true });
    await cp(template.folder, lane.folder, { recursive: true });
    lane.taken.clear();
    for (const [id, rows] of template.taken) lane.taken.set(id, rows);
  };
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async () => {
      const lane = { ...template, folder: owned.use(await temporaryFolder()).path, taken: new Map() };
      await begin(lane);
      return lane;
    }),
  );
  const [, ...kept] = [...template.taken.keys()];
  const outcomes = new Set<number>();
  const tried = await killAtEveryMoment<SnapshotLane>({
    lanes,
    args: (lane) => pruneArgs(lane, KEEP),
    only: momentsOfChange(/^storage (stage|write|finish|publish|put|delete|link)/),
    inspect: async (lane) => {
      const { added, deleted } = await expectSound(lane);
      expect(added).toBe(0);
      outcomes.add(deleted);
      await expectTidied(lane, KEEP);
      expect([...lane.taken.keys()]).toEqual(kept);
    },
    recover: begin,
  });
  expect(outcomes).toEqual(new Set([0, 1]));
  expect(tried.some((moment) => moment.startsWith("after storage delete data/parts/"))).toBe(true);
  expect(tried.some((moment) => moment.startsWith("after storage publish data/records/garbage/"))).toBe(true);
});

test("a restore that is killed while it reads holds nothing back", async () => {
  await using owned = new AsyncDisposableStack();
  const lane = await makeTemplate(owned);
  const [oldest = ""] = lane.taken.keys();
  const target = owned.use(expectedDatabase(`${lane.database.name}_new`));
  const tried = await killAtEveryMoment<SnapshotLane>({
    lanes: [lane],
    args: ({ folder, database }) => [
      "restore",
      "data",
      oldest,
      "--new-database",
      target.name,
      "--url",
      database.url,
      "--repository",
      folder,
    ],
    only: (moment) => moment === "after storage put data/readers/<uuid>.json #1",
    timeStandsStill: false,
    recorded: async () => await target[Symbol.asyncDispose](),
    inspect: async () => {
      expect((await filesOf(lane.folder)).filter((file) => file.includes("/readers/"))).toHaveLength(1);
      await expectTidied(lane, KEEP);
      expect(lane.taken.has(oldest)).toBe(false);
    },
  });
  expect(tried).toHaveLength(1);
});
