import { expect, test } from "vitest";
import { type BackedUp, backedUp, expectedDatabase } from "../support/backed-up.ts";
import { jsonOf, runCli } from "../support/cli.ts";
import { contentsOf } from "../support/database-contents.ts";
import { freshPlace } from "../support/fresh-place.ts";
import { uniqueName } from "../support/postgres.ts";
import { killAtEveryMoment } from "./harness.ts";

const SQL = `create table item as select g as id, md5(g::text) as word from generate_series(1, 500) g;
  create table small as select 1 as id`;
const INDEX = "storage put new data/backups/<id>/index";
// The newest goes first: the snapshot, and then the archive.
const MOMENTS = [
  "after storage put new repository.json #1",
  "after storage put data/parts/<ab>/<name> #1",
  "after storage put data/tables/<ab>/<name> #2",
  `before ${INDEX} #1`,
  `after ${INDEX} #1`,
  "after storage publish data/handled_data_<time>.sql.gz #1",
  `after ${INDEX} #2`,
];

interface Lane {
  /** A new one after each kill: it begins empty. */
  to: string;
}

test("a copy that is killed leaves whole backups alone, and the next one makes its place whole", {
  timeout: 180_000,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const from: BackedUp = owned.use(await backedUp({ sql: SQL, as: "data" }));
  const snapshot = await from.backup("--kind", "snapshot", "--jobs", "1");
  const all = [snapshot, from.id];
  const whole = await contentsOf(from.live.url);
  const empty = async (): Promise<string> => owned.use(await freshPlace()).url;
  const listed = async (place: string): Promise<string[]> => {
    const result = await runCli(["list", "data", "--repository", place, "--json"]);
    // Killed before anything was there.
    if (result.code === 10) return [];
    expect(result.code, result.stderr).toBe(0);
    const { databases } = jsonOf(result) as { databases: { backups: { id: string }[] }[] };
    return databases.flatMap(({ backups }) => backups.map(({ id }) => id));
  };
  const args = ({ to }: Lane): string[] => {
    const places = ["--repository", from.repository, "--repository", to];
    return ["copy", "data", "--new-place", ...places, "--from", from.repository, "--to", to, "--jobs", "1"];
  };
  const tried = await killAtEveryMoment<Lane>({
    lanes: [{ to: await empty() }, { to: await empty() }],
    args,
    only: (moment) => MOMENTS.includes(moment.replace(".age", "")),
    inspect: async (lane, moment, moments) => {
      const indexes = moments
        .slice(0, moments.indexOf(moment) + 1)
        .filter((one) => one.startsWith(`after ${INDEX}`));
      expect(await listed(lane.to)).toEqual(all.slice(0, indexes.length));
      const again = await runCli(args(lane));
      expect(again.code, again.stderr).toBe(0);
      expect(await listed(lane.to)).toEqual(all);
      // The one that was on its way.
      const id = all[indexes.length] ?? from.id;
      await using restored = expectedDatabase(uniqueName());
      const target = ["--new-database", restored.name, "--url", from.live.url];
      const result = await runCli(["restore", "data", id, ...target, "--repository", lane.to]);
      expect(result.code, result.stderr).toBe(0);
      expect(await contentsOf(restored.url)).toEqual(whole);
    },
    recover: async (lane) => {
      lane.to = await empty();
    },
  });
  expect(tried).toHaveLength(MOMENTS.length);
});
