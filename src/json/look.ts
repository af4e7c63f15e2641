import { z } from "zod";
import { BackupJson, bytes, count, newestProof, time } from "./common.ts";
import { ProviderViewJson } from "./provider.ts";

// What commands that only look print with `--json`.

export const ListJson = z.strictObject({
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database in the repository"),
      backups: z
        .array(
          BackupJson.extend({
            proof: newestProof,
            places: z
              .array(z.string())
              .describe("The places that have it; those where it is known to be damaged are not among them"),
          }),
        )
        .describe("Newest first, each once, however many places have it"),
      degraded: z
        .array(
          z.strictObject({
            place: z.string().describe("Name of the place"),
            lacks: z
              .array(z.string())
              .describe("Ids of backups that another place has whole, and it has not"),
            error: z.string().nullable().describe("Why it could not be read; null where it could"),
          }),
        )
        .describe("Places that have not all that they should have"),
      damaged: z
        .array(
          z.strictObject({
            id: z.string().describe("Identity of the backup"),
            reason: z.string().describe("What is wrong with it"),
          }),
        )
        .describe("What has a manifest but could not be restored"),
      foreign: z
        .array(
          z.strictObject({
            name: z.string().describe("File name"),
            key: z.string().describe("Where it lies, relative to the repository"),
            size: bytes.describe("Size in bytes"),
            modified: time.describe("When it was last written"),
          }),
        )
        .describe("Archives that other tools put there"),
      provider: ProviderViewJson,
    }),
  ),
});

export type ListJson = z.infer<typeof ListJson>;

const partCount = z.strictObject({
  parts: count.describe("Parts"),
  bytes: bytes.describe("Their rows, before compression"),
});

export const ShowJson = BackupJson.extend({
  proof: newestProof,
  repository: z.string().describe("The repository that holds it"),
  places: z.array(z.string()).describe("All repositories that hold it, this one included"),
  location: z.string().describe("Where the archive lies"),
  startedAt: time.describe("When the run began"),
  writtenBy: z.string().describe("Program that took it"),
  client: z.string().describe("PostgreSQL program that made the archive"),
  server: z
    .strictObject({
      version: z.string().describe("Version of the server"),
      versionNumber: z.int().describe("The same as a number: 150018"),
      systemIdentifier: z.string().nullable().describe("Identity of the cluster, where the server tells it"),
      timeline: z.int().nullable().describe("Timeline of the cluster, where the server tells it"),
      database: z.string().describe("Name of the database on the server"),
    })
    .describe("The server it was taken from"),
  serverBytes: bytes.describe("Size on the server's disk, indexes included"),
  extensions: z
    .array(
      z.strictObject({
        name: z.string().describe("Name of the extension"),
        schema: z.string().describe("Schema it is installed in"),
        version: z.string().describe("Its version"),
      }),
    )
    .nullable()
    .describe("Extensions of the database; null where only an identity opens what tells them"),
  roles: z
    .array(z.string())
    .nullable()
    .describe("Roles that own something in it or are granted something; null where extensions is"),
  retention: z
    .strictObject({
      keep: z.boolean().describe("Whether retention keeps it"),
      reasons: z.array(z.string()).describe("Why it stays or goes"),
    })
    .nullable()
    .describe("What the strategy's retention says of it; null without a strategy for this database"),
  tableDetails: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        rows: count.nullable().describe("Rows; null where the dump carries none, as for a materialized view"),
        bytes: bytes.describe("Size of the rows before compression"),
        digest: z
          .string()
          .nullable()
          .describe("Digest of the rows, whatever their order; null where there is none"),
        read: partCount.nullable().describe("What was read from the server; null for an archive"),
        reused: partCount
          .nullable()
          .describe("What was taken from the last snapshot, for it had not changed; null for an archive"),
        note: z
          .string()
          .nullable()
          .describe("Why not all of it could be reused; null when there is nothing to say"),
      }),
    )
    .describe("Every table, largest first"),
  snapshot: z
    .strictObject({
      readBytes: bytes.describe("Rows read from the server, before compression"),
      reusedBytes: bytes.describe("Rows taken from the last snapshot, before compression"),
      newParts: count.describe("Parts that were stored"),
      namedBytes: bytes.describe("Everything it names, as stored: what a copy of it takes"),
      sample: z
        .strictObject({
          read: count.describe("Reused ranges that were read again to see"),
          differing: count.describe("Tables in which one was not what is stored"),
        })
        .describe("The look at what was reused"),
      fullRead: z.string().nullable().describe("Why nothing was reused; null when something was"),
    })
    .nullable()
    .describe("How a snapshot came about; null for an archive"),
});

export type ShowJson = z.infer<typeof ShowJson>;

const diffSide = z.strictObject({
  id: z.string().nullable().describe("Identity of the backup; null for the live database"),
  kind: z.enum(["archive", "snapshot", "live"]).describe("What it is"),
  database: z.string().describe("Name of the database on the server"),
  schemas: z
    .array(z.string())
    .nullable()
    .describe("The schemas that the backup has, and the comparison looked at; null for the whole database"),
  at: time.describe("The moment that its rows are of"),
});

const diffFacts = z
  .strictObject({
    rows: count.nullable().describe("Rows; null for a materialized view"),
    bytes: bytes.describe("Size of the rows before compression"),
    digest: z.string().nullable().describe("Digest of the rows, whatever their order; null for an archive"),
  })
  .nullable()
  .describe("What this side has of it; null when it is not there");

const namesThatDiffer = {
  onlyFirst: z.array(z.string()).describe("Only in the first: `INDEX shop.orders_at`, `DATABASE COMMENT`"),
  onlySecond: z.array(z.string()).describe("Only in the second"),
  changed: z.array(z.string()).describe("In both, and not the same"),
};

export const DiffJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  first: diffSide.describe("What was named first"),
  second: diffSide.describe("What was named second"),
  equal: z
    .boolean()
    .nullable()
    .describe(
      "Whether both are the same; null when no difference was found and not everything could be compared",
    ),
  tables: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        first: diffFacts,
        second: diffFacts,
        same: z
          .boolean()
          .nullable()
          .describe(
            "Whether both have the same rows; null when that cannot be told: an archive has no digests, and no backup the rows of a materialized view",
          ),
        ranges: z
          .strictObject({
            total: count
              .nullable()
              .describe("Ranges of blocks in both together; null when none had to be looked at"),
            changed: z
              .array(
                z.strictObject({
                  from: count.describe("First block"),
                  to: count.nullable().describe("The block after the last; null: to the end"),
                }),
              )
              .describe("Those that do not hold the same rows"),
          })
          .nullable()
          .describe("Which of its ranges changed; null where that cannot be told"),
      }),
    )
    .describe("Every table, by schema and name"),
  sequences: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the sequence"),
        name: z.string().describe("Name of the sequence"),
        first: z.string().nullable().describe("Its value; null when it is not there"),
        second: z.string().nullable().describe("Its value; null when it is not there"),
      }),
    )
    .describe("Sequences that differ"),
  definitions: z
    .strictObject(namesThatDiffer)
    .nullable()
    .describe("Definitions that differ; null when they could not be compared"),
  properties: z
    .strictObject(namesThatDiffer)
    .describe(
      "What differs of the database itself: owner, encoding, locale, connection limit, settings, privileges, comment; and of the versions of its extensions",
    ),
  notCompared: z
    .array(z.strictObject({ what: z.string().describe("What"), reason: z.string().describe("Why not") }))
    .describe("What could not be compared"),
});

export type DiffJson = z.infer<typeof DiffJson>;
