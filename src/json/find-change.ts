import { z } from "zod";
import { count, time } from "./common.ts";

const moment = z.strictObject({
  id: z.string().nullable().describe("The backup; null is the live database"),
  kind: z.enum(["archive", "snapshot", "live"]).describe("What was looked at"),
  at: time.describe("When the data is from"),
  rows: count.nullable().describe("Rows in the table; null where it is not there"),
  change: z
    .strictObject({
      kind: z
        .enum(["first", "same", "other", "as many", "gone", "made", "rows"])
        .describe(
          "Beside the moment before: `same` rows by digest, as many but `other` rows, `as many` where nobody can tell, the table `gone` or `made`, more or fewer `rows`; `first`: there is none before",
        ),
      by: z.int().optional().describe("With `rows`: how many more, or fewer where negative"),
    })
    .describe("What changed"),
  matching: count.nullable().describe("Rows for which the condition of `--where` holds"),
});

export const FindChangeJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  schema: z.string().describe("Schema of the table"),
  name: z.string().describe("Name of the table"),
  where: z.string().nullable().describe("The condition"),
  moments: z.array(moment).describe("Oldest first, the live database last"),
  loss: z
    .strictObject({
      lastSeen: moment.describe("The last backup that has the rows"),
      gone: moment.describe("The moment after it"),
      before: count.describe("Rows there, for which the condition holds where there is one"),
      after: count.describe("Rows after it"),
    })
    .nullable()
    .describe("Between which moments rows went away for the last time; null: they did not"),
  next: z.string().nullable().describe("The command that brings them back, first as a dry run"),
  liveUnknown: z.string().nullable().describe("Why the live database was not looked at"),
  parts: z
    .strictObject({
      read: count.describe("Parts that were read"),
      named: count.describe("Parts that the backups looked at name, those of unchanged lists left out"),
    })
    .describe("What `--where` had to read of snapshots"),
});
export type FindChangeJson = z.infer<typeof FindChangeJson>;
