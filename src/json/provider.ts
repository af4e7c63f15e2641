import { z } from "zod";
import { bytes, count, time } from "./common.ts";

const madeCluster = z.strictObject({
  id: z.string().describe("Identity in the service"),
  name: z.string().describe("Its name"),
  status: z.string().describe("The service's word: `creating`, `online` …"),
  until: time.describe("How long it may stay"),
});

const statusPage = z.strictObject({
  indicator: z
    .string()
    .nullable()
    .describe("`none`, `minor`, `major`, `critical` …; null where the page could not be read"),
  description: z.string().nullable().describe("The page's words for it"),
  incidents: z
    .array(
      z.strictObject({
        name: z.string().describe("What it is about"),
        status: z.string().describe("`investigating`, `identified`, `monitoring` …"),
        impact: z.string().describe("`minor`, `major`, `critical`, `maintenance` …"),
        since: time.nullable().describe("When it began"),
        latest: z.string().describe("What was said last"),
        databases: z.boolean().describe("Whether databases are among what it touches"),
      }),
    )
    .describe("What is not over; what touches databases first"),
  components: z
    .array(
      z.strictObject({
        name: z.string().describe("Its name, with that of its group"),
        status: z.string().describe("`partial_outage`, `major_outage` …"),
        databases: z.boolean().describe("Whether it is about databases"),
      }),
    )
    .describe("Those that are not operational; databases first"),
  problem: z.string().nullable().describe("Why the page could not be read"),
});

export const ProviderListJson = z.strictObject({
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name in the strategy"),
      statusPage: statusPage
        .nullable()
        .describe("What the service's public status page says; null where none is known"),
      cluster: z
        .strictObject({
          id: z.string().describe("Identity in the service"),
          name: z.string().describe("Its name"),
          status: z.string().describe("The service's word"),
          size: z.string().describe("The service's word for its size"),
          region: z.string().describe("Where it is"),
          nodes: count.describe("How many nodes"),
        })
        .describe("The cluster that the database is in"),
      backups: z
        .array(
          z.strictObject({
            createdAt: time.describe("When it was taken"),
            bytes: bytes.describe("Its size"),
          }),
        )
        .describe("The service's backups of it, newest first"),
      assumedWindowFrom: time.describe(
        "From here on any moment is assumed to be restorable; the service does not tell",
      ),
      made: z.array(madeCluster).describe("What restores of it made, and is still there"),
    }),
  ),
});
export type ProviderListJson = z.infer<typeof ProviderListJson>;

const restored = z.strictObject({
  at: time.describe("The moment that was restored"),
  exact: z.boolean().describe("Whether that is the time of a backup"),
  cluster: z.string().describe("Name of the new cluster"),
  finishedAt: time.describe("When it was checked"),
  tables: count.describe("Tables in it"),
  filledTables: count.describe("How many of them had rows"),
  unreadTables: count.describe("How many nobody could look into; with any, nothing is proven"),
  bytes: bytes.describe("Size of the database on its server"),
});

const ofProvider = {
  id: z.string().describe("`provider:` and its time"),
  createdAt: time.describe("When it was taken"),
  bytes: bytes.describe("Its size, as the service tells it"),
  provenAt: time.nullable().describe("When a restore of it was checked last; null where none was"),
};

/** What a managed service has of a database, beside our own backups. */
export const ProviderViewJson = z
  .strictObject({
    backups: z.array(z.strictObject(ofProvider)).describe("The service's own backups, newest first"),
    assumedWindowFrom: time.describe(
      "From here on any moment is assumed to be restorable; the service does not tell",
    ),
    restored: restored.nullable().describe("The last restore from it that was checked"),
    error: z.string().nullable().describe("Why its backups could not be listed; null where they could"),
  })
  .nullable()
  .describe("What the managed service has of it; null where none runs it");
export type ProviderViewJson = z.infer<typeof ProviderViewJson>;

export const ProviderShowJson = z.strictObject({
  ...ofProvider,
  database: z.string().describe("Name in the strategy"),
  kind: z.literal("provider").describe("It is the managed service's, and not one of ours"),
  cluster: z.string().describe("Name of the cluster it is of"),
  region: z.string().describe("Where that is"),
  size: z.string().describe("The service's word for its size"),
  assumedWindowFrom: time.describe(
    "From here on any moment is assumed to be restorable; the service does not tell",
  ),
  restores: z.array(restored).describe("The restores of it that were checked, newest first"),
});
export type ProviderShowJson = z.infer<typeof ProviderShowJson>;

export const ProviderSweepJson = z.strictObject({
  dryRun: z.boolean().describe("Whether nothing was removed"),
  removed: z.array(madeCluster).describe("What was removed, or would be"),
  kept: z.array(madeCluster).describe("Within their lifetime"),
  used: z
    .array(madeCluster)
    .describe("Kept because a database of the strategy is in it, or its application works on it"),
  orphans: z
    .array(madeCluster)
    .describe("Kept because what they were made from is gone: they may be all that is left of it"),
  elsewhere: z
    .array(madeCluster.extend({ from: z.string().describe("Name of the cluster it was made from") }))
    .describe("Kept because they were made from another cluster of the account"),
  failed: z.array(z.string()).describe("What could not be removed, and why"),
});
export type ProviderSweepJson = z.infer<typeof ProviderSweepJson>;

export const ProviderRestoreJson = z.strictObject({
  database: z.string().describe("Name in the strategy"),
  source: z.string().describe("Name of the cluster it was restored from"),
  at: time.describe("The moment that was asked for"),
  exact: z.boolean().describe("Whether that is the time of a backup; where not, check what you got"),
  backup: time.describe("The newest backup at or before that moment"),
  cluster: z.string().describe("Name of the new cluster"),
  adopted: z.boolean().describe("Whether an earlier try of the same name made it"),
  id: z.string().nullable().describe("Its identity in the service; null for a dry run"),
  until: time.describe("From then on `handled provider sweep` removes it"),
  clusters: count.describe("How many clusters the account had before"),
  clusterLimit: count.nullable().describe("How many it may have, by the strategy"),
  price: z.string().nullable().describe("What it costs, by the strategy"),
  dryRun: z.boolean().describe("Whether nothing was made"),
  url: z.string().nullable().describe("Its connection string, without the password; null for a dry run"),
  urlFile: z.string().nullable().describe("The file with the whole connection string"),
  tables: count.nullable().describe("Tables in the restored database; null for a dry run"),
  filledTables: count.nullable().describe("How many of them have rows"),
  unreadTables: z
    .array(z.string())
    .describe("Tables that the service's administrator may not read: they were not checked"),
  bytes: bytes.nullable().describe("Size of the restored database on its server"),
  newUsers: z.array(z.string()).describe("Users that had to be made anew: they have new passwords"),
  newPools: z.array(z.string()).describe("Connection pools that were made anew"),
  lacking: z.array(z.string()).describe("What could not be brought over, and why"),
  destroyed: z.boolean().describe("Whether it is gone again, as asked"),
  durationMs: z.number().nullable().describe("Milliseconds it took; null for a dry run"),
});
export type ProviderRestoreJson = z.infer<typeof ProviderRestoreJson>;
