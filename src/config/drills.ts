import { z } from "zod";
import { label } from "./fields.ts";
import { cronExpression, Deadline } from "./scheduled.ts";

/** The disasters that there are plans for. */
export const SCENARIOS = ["provider-down", "server-lost", "data-deleted", "everything-lost"] as const;
export type Scenario = (typeof SCENARIOS)[number];

const Drill = z.strictObject({
  name: label().describe("Name of the entry, unique within the database"),
  scenario: z.enum(SCENARIOS).describe("The disaster whose plan is rehearsed, as `handled drill` does it"),
  backup: z
    .string()
    .min(1)
    .optional()
    .describe("The backup to bring it back from: an id, or `latest`; default: the newest proven one"),
  from: z
    .enum(["provider", "backup", "rebuild"])
    .optional()
    .describe(
      "What the database is made from, as `--from` of `handled drill`; default: what the plan proposes. Of `provider` a cluster is made, which costs money until the drill is over",
    ),
  tables: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe("Of `data-deleted`: the tables that are to have lost rows, written `schema.table`"),
  where: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Of `data-deleted`: an SQL condition on the rows that are to be gone; default: all of these tables",
    ),
  schedule: cronExpression()
    .optional()
    .describe("When: the five fields of cron, in the strategy's time zone; without it only by hand"),
  deadline: Deadline,
});

/** Keys of a database: which recoveries are rehearsed. */
export const drillKeys = {
  drills: z
    .array(Drill)
    .prefault([])
    .describe("Which recoveries to rehearse on throw-away servers, and when"),
};

/** The same as the program uses it. */
export type StrategyDrill = Omit<z.output<typeof Drill>, "deadline"> & {
  readonly deadlineMs: number | undefined;
};

export function buildDrills(drills: readonly z.output<typeof Drill>[]): StrategyDrill[] {
  return drills.map(({ deadline, ...drill }) => ({ ...drill, deadlineMs: deadline }));
}
