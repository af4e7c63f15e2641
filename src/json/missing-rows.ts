import { z } from "zod";
import { count, milliseconds, time } from "./common.ts";

const keys = z.array(z.string()).describe("Primary keys of the first ten");
const examples = z.strictObject({ rows: count.describe("How many rows"), keys });

export const MissingRowsJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  source: z.string().describe("Where the rows come from: an id, or the path of an archive"),
  snapshotAt: time.nullable().describe("When the data is from; null for an archive of another tool"),
  target: z.string().describe("The live database"),
  dryRun: z.boolean().describe("Whether nothing was changed"),
  tables: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        inBackup: count.describe("Rows in the backup"),
        parts: z
          .strictObject({
            ranges: count.describe("Ranges of blocks that the backup has of it"),
            read: count.describe("Of these, those that were read"),
            fullRead: z
              .string()
              .nullable()
              .describe("Why all were read; null where only those were that lost a row"),
          })
          .describe("How much of the backup was read"),
        missing: examples.describe("Rows that were inserted, or would be"),
        changed: examples.describe(
          "Rows whose key is there with other contents, of what was read: they stay as they are",
        ),
        conflicts: z
          .array(examples.extend({ index: z.string().describe("The unique index") }))
          .describe("Rows left out, for another row has their values of a unique index"),
        orphans: z
          .array(
            examples.extend({
              constraint: z.string().describe("The foreign key"),
              parent: z.string().describe("The table that lacks the parents"),
            }),
          )
          .describe("Rows without a parent: with one of them nothing is inserted"),
        triggers: z.array(z.string()).describe("Triggers of the table that an insert fires"),
        added: z.array(z.string()).describe("Columns that the backup does not have: they get their default"),
      }),
    )
    .describe("In the order in which they are filled"),
  inserted: count.nullable().describe("Rows inserted; null after a dry run"),
  undoFile: z
    .string()
    .nullable()
    .describe("A script for psql that takes them out again; null when there are none"),
  durationMs: milliseconds.nullable().describe("How long it took, in milliseconds; null after a dry run"),
});
export type MissingRowsJson = z.infer<typeof MissingRowsJson>;
