import { expect, test } from "vitest";
import { backedUp, type BackedUp, databasesLike, expectedDatabase } from "../support/backed-up.ts";
import { freshCluster, uniqueName } from "../support/postgres.ts";
import { killAtEveryMoment } from "./harness.ts";

// Two processes keep two cores busy; a third fills the gaps while one waits for the server.
const LANES = 3;
// So many rows that they are loaded by a thread.
const ROWS = 3;
const SQL = `
create table public.long (id int primary key, body text);
insert into public.long select n, repeat(n::text, 4000000) from generate_series(1, ${ROWS}) n;
create index on public.long (id, length(body));
create table public.points (long int references public.long, note text);
insert into public.points select 1 + n % ${ROWS}, 'note ' || n from generate_series(1, 100) n;`;
const CONTENTS = `select (select array_agg(md5(body) order by id) from public.long) as bodies,
                         (select array_agg(note order by note) from public.points) as notes`;

interface Lane {
  readonly shop: BackedUp;
  readonly target: string;
}

test("a restore that is killed while a thread loads makes nothing, and is done by the next one", {
  timeout: 240_000,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const cluster = owned.use(await freshCluster({ settings: { autovacuum: "off", shared_buffers: "16MB" } }));
  const server = cluster.url();
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async (): Promise<Lane> => {
      const name = uniqueName("crash");
      const target = `${name}_new`;
      owned.use(expectedDatabase(target, server));
      const kind = ["--kind", "snapshot"];
      return {
        shop: owned.use(await backedUp({ name, as: "data", sql: SQL, cluster: server, backup: kind })),
        target,
      };
    }),
  );
  const args = ({ shop, target }: Lane): string[] => {
    const place = ["--url", shop.live.url, "--repository", shop.repository];
    // One thread does one thing after the other.
    return ["restore", shop.name, "latest", "--new-database", target, "--jobs", "1", ...place];
  };
  const tried = await killAtEveryMoment<Lane>({
    lanes,
    args,
    // From there on nothing depends on what the run before left.
    landmarks: ["sql CREATE"],
    timeStandsStill: false,
    only: (moment) => / (sql (COPY|TRUNCATE|ANALYZE|ALTER TABLE)|storage open .*parts)/.test(moment),
    recorded: async ({ target }) => await expectedDatabase(target, server)[Symbol.asyncDispose](),
    inspect: async ({ target }) => {
      expect(await databasesLike(target, server)).toEqual([]);
      // Of each lane's last run at most; the next one removes it.
      expect((await databasesLike("handled%", server)).length).toBeLessThanOrEqual(LANES);
    },
  });
  for (const operation of ["sql COPY", "sql TRUNCATE", "sql ALTER", "storage open"]) {
    expect(tried.some((moment) => moment.includes(operation))).toBe(true);
  }
  for (const lane of lanes) {
    const { shop, target } = lane;
    const result = await shop.restore(["latest", "--new-database", target]);
    expect(result.code, result.stderr).toBe(0);
    expect(await expectedDatabase(target, server).query(CONTENTS)).toEqual(await shop.live.query(CONTENTS));
  }
  expect(await databasesLike("handled%", server)).toEqual([]);
});
