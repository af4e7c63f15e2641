import { expect, test } from "vitest";
import { jsonOf, runCli } from "../support/cli.ts";
import { expectNoSessions } from "../support/leftovers.ts";
import { freshCluster } from "../support/postgres.ts";
import { killAtEveryMoment } from "./harness.ts";
import { momentsOfChange } from "./moments.ts";
import {
  changeRows,
  expectSound,
  expectTidied,
  snapshotArgs,
  type SnapshotLane,
  snapshotLane,
  takeSnapshot,
} from "./snapshot-lane.ts";

// Two processes keep two cores busy; a third fills the gaps while one waits for the server.
const LANES = 3;
const INDEX = "storage put new data/backups/<id>/index #1";
const KEEP = "last=2";

async function makeLane(owned: AsyncDisposableStack, cluster: string): Promise<SnapshotLane> {
  const lane = await snapshotLane(owned, cluster);
  for (let n = 0; n < 2; n++) await takeSnapshot(lane, KEEP);
  // From here on backups do not look for garbage themselves: a day would have to pass.
  await expectTidied(lane, KEEP);
  return lane;
}

test("a snapshot that is killed at any moment costs nothing but itself", { timeout: 480_000 }, async () => {
  await using owned = new AsyncDisposableStack();
  // Of our own: a transaction that another test holds open would have rows read that could be reused.
  const cluster = owned.use(await freshCluster({ settings: { autovacuum: "off", shared_buffers: "16MB" } }));
  const lanes = await Promise.all(Array.from({ length: LANES }, () => makeLane(owned, cluster.url())));
  const outcomes = new Set<string>();
  const changes = momentsOfChange(
    /^(storage (stage|write|finish|publish|put|delete|link)|child|sql (LOCK|DO|COPY|COMMIT))/,
  );
  const tried = await killAtEveryMoment<SnapshotLane>({
    lanes,
    args: (lane) => snapshotArgs(lane, KEEP),
    // Up to there a run may have to take over the lease of the one before, and to clear away what that left.
    landmarks: ["sql LOCK"],
    // How many part lists are read depends on what earlier runs left: no name of a moment to rely on.
    only: (moment) => changes(moment) && !moment.includes(" storage open "),
    recorded: async (lane) => {
      expect(await expectSound(lane)).toEqual({ added: 1, deleted: 1 });
      await changeRows(lane);
    },
    inspect: async (lane, moment, all) => {
      const { added, deleted } = await expectSound(lane);
      // The index is what makes a backup exist: not before it is written, and for good from then on.
      const written = all.findIndex((one) => one.startsWith(`after ${INDEX}`));
      expect(written).toBeGreaterThan(0);
      expect(added).toBe(all.indexOf(moment) < written ? 0 : 1);
      if (added === 0) expect(deleted).toBe(0);
      outcomes.add(added === 0 ? "nothing" : deleted === 0 ? "a backup" : "a deletion");
      // Mostly the next backup has to get along with what is left; now and then a prune.
      if (lane.runs % 5 === 0) await expectTidied(lane, KEEP);
      await changeRows(lane);
    },
  });
  for (const kind of ["storage ", "sql ", "child "]) {
    expect(tried.some((moment) => moment.includes(kind))).toBe(true);
  }
  expect(outcomes).toEqual(new Set(["nothing", "a backup", "a deletion"]));
  for (const lane of lanes) {
    const result = await runCli([...snapshotArgs(lane, KEEP), "--json"]);
    expect(result.code, result.stderr).toBe(0);
    // What the killed runs left is no reason to read again what did not change.
    expect(jsonOf(result)).toMatchObject({ parts: { read: 1, reused: 1 } });
    await expectSound(lane);
    expect(lane.taken.size).toBe(2);
    await expectTidied(lane, KEEP);
    await expectNoSessions(lane.database);
  }
});
