import { rm } from "node:fs/promises";
import { AppError } from "../errors.ts";
import { counted, formatCount, formatDuration } from "../lib/text.ts";
import type { TableFingerprint } from "../postgres/fingerprint.ts";
import { quoteName } from "../postgres/session.ts";
import { CLUSTER, type World } from "./world.ts";

/** A disaster, struck for real, and the command that brings everything back. */
export interface Disaster {
  readonly title: string;
  readonly budgetMs: number;
  strike(world: World, say: (text: string) => void): Promise<void>;
  /** The arguments of `handled`. */
  readonly recover: (world: World) => Promise<readonly string[]>;
}

const MINUTE = 60_000;
const VICTIM = { schema: "reference", name: "prices" };

/** The four disasters of the strategy document, in the order in which one company can have them all on one day. */
export const DISASTERS: readonly Disaster[] = [
  {
    title: "Rows are deleted by mistake",
    budgetMs: 30 * MINUTE,
    strike: async (world, say) => {
      const { DATA_DATABASE_URL } = await world.urls();
      const name = quoteName(VICTIM.schema, VICTIM.name);
      const gone = await world.withSession(
        DATA_DATABASE_URL,
        async (session) => await session.query(`delete from ${name} where id % 10 = 3 returning id`),
      );
      say(`delete from ${name} where id % 10 = 3: ${counted(gone.length, "row")} gone`);
    },
    recover: async () =>
      await Promise.resolve([
        "recover",
        "data-deleted",
        "data",
        "--table",
        `${VICTIM.schema}.${VICTIM.name}`,
        "--yes",
      ]),
  },
  {
    title: "The data server is lost, with its disk",
    budgetMs: 240 * MINUTE,
    strike: async (world, say) => {
      await world.vps.stop("immediate");
      await rm(world.vps.folder, { recursive: true, force: true });
      say("the server is killed, and its folder removed; another one is set up, empty");
    },
    recover: async (world) => {
      world.vps = await world.newServer("vps-2");
      return ["recover", "server-lost", "data", "--to", world.vps.url("data"), "--yes"];
    },
  },
  {
    title: "The provider's cluster is down",
    budgetMs: 60 * MINUTE,
    strike: async (world, say) => {
      await world.service.stopServer(CLUSTER);
      say(`cluster ${CLUSTER} of the managed service does not answer any more; its backups are there`);
    },
    recover: async () => await Promise.resolve(["recover", "provider-down", "primary", "--yes"]),
  },
  {
    title: "Everything is lost but the repository",
    budgetMs: 150 * MINUTE,
    strike: async (world, say) => {
      await world.wipe();
      say(
        "all servers, the application, the strategy and this machine's memory are gone; what is left are the backups. The application is installed anew",
      );
    },
    recover: async (world) => {
      await world.deploy();
      const [primary, data] = [await world.newServer("new-primary"), await world.newServer("new-data")];
      const to = { primary: primary.url("primary_db"), data: data.url("data") };
      return [
        "recover",
        "everything-lost",
        "--repository",
        world.backups,
        "--to",
        `primary=${to.primary}`,
        "--to",
        `data=${to.data}`,
        "--yes",
      ];
    },
  },
];

/** Fails with `rows_differ` unless every table has its rows and its digest again. */
export function requireAllBack(
  before: readonly TableFingerprint[],
  after: readonly TableFingerprint[],
): string {
  const different = before.filter((table, at) => JSON.stringify(table) !== JSON.stringify(after[at]));
  if (different.length > 0 || before.length !== after.length) {
    const names = different.map(({ schema, name }) => `${schema}.${name}`).join(", ");
    throw new AppError("rows_differ", `demo: not everything is back: ${names || "the tables differ"}`);
  }
  const rows = after.reduce((sum, table) => sum + table.rows, 0);
  return `every row is back: ${counted(rows, "row")} in ${counted(after.length, "table")}, each table with the digest that it had before`;
}

/** The table at the end: what each took against its budget. */
export function timesAgainstBudgets(
  times: readonly { readonly title: string; readonly budgetMs: number; readonly ms: number }[],
): string[] {
  const width = times.reduce((widest, { title }) => Math.max(widest, title.length), 0);
  return times.map(
    ({ title, budgetMs, ms }) =>
      `${title.padEnd(width)}  ${formatDuration(ms).padStart(8)} of ${formatDuration(budgetMs)} (${formatCount(Math.max(1, Math.round((100 * ms) / budgetMs)))} %)`,
  );
}
