import { z } from "zod";
import { SCENARIOS } from "../../config/drills.ts";
import { count, milliseconds, time } from "../../json/common.ts";

const drill = z.strictObject({
  name: z.string().describe("Name of the strategy's entry"),
  database: z.string().describe("The database that it is an entry of"),
  schedule: z.string().nullable().describe("When, as five fields of cron; null where only by hand"),
  nextRun: time.nullable().describe("When it is due next"),
  tables: z.array(z.string()).describe("Tables that are to have lost rows"),
  where: z.string().nullable().describe("Only rows for which this SQL condition holds; null: all"),
});

const begun = z.strictObject({
  startedAt: time.describe("When it began"),
  done: count.describe("Steps that are done"),
  steps: count.describe("Steps in all"),
  aim: z.record(z.string(), z.string()).describe("What it recovers from and to"),
});

/** The disasters that there are plans for. The plan of each is what `POST /api/plans` answers. */
export const ScenariosJson = z
  .strictObject({
    scenarios: z
      .array(
        z.strictObject({
          scenario: z
            .enum([...SCENARIOS, "together"])
            .describe("What has happened; `together`: several databases are brought back to one moment"),
          databases: z
            .array(z.string())
            .describe("What is brought back, the most critical first; of `together` in the strategy's order"),
          rtoMs: milliseconds
            .nullable()
            .describe("Recovery time objective in milliseconds, the strictest of them"),
          from: z
            .array(z.enum(["provider", "backup", "rebuild"]))
            .describe("What it can be made from, where there is a choice"),
          drills: z.array(drill).describe("The strategy's drills of it"),
          begun: begun.nullable().describe("A recovery that was begun on this machine and has not ended"),
          problem: z.string().nullable().describe("Why nobody knows whether one was begun"),
        }),
      )
      .describe("Database by database in the strategy's order; what concerns all comes last"),
  })
  .meta({ title: "scenarios" });
export type ScenariosJson = z.infer<typeof ScenariosJson>;
