import { z } from "zod";
import { PERIODS } from "../config/duties.ts";
import { time } from "./common.ts";

export const ChecklistJson = z.strictObject({
  duties: z
    .array(
      z.strictObject({
        name: z.string().describe("Name of the duty, or the job that does it"),
        database: z.string().describe("The database it is about"),
        by: z.enum(["machine", "person"]).describe("Who does it"),
        every: z.enum(PERIODS).describe("How often"),
        what: z.string().describe("What is to be done"),
        state: z
          .enum(["done", "open", "overdue"])
          .describe(
            "`done` in this period; `open`: in the one before, not yet in this; `overdue`: in neither",
          ),
        lastAt: time
          .nullable()
          .describe("When it was done last; null where it never was, or that could not be read"),
        evidence: z
          .string()
          .nullable()
          .describe("The backup or run that shows it, or who did it and what they said"),
        until: time.describe("It is to be done before"),
      }),
    )
    .describe("Daily ones first"),
  unread: z.array(z.string()).describe("Why places could not be read"),
});
export type ChecklistJson = z.infer<typeof ChecklistJson>;

export const ChecklistDoneJson = z.strictObject({
  duty: z.string().describe("Name of the duty"),
  database: z.string().describe("The database that keeps the record"),
  unrecorded: z.array(z.string()).describe("Why it is not recorded in some of its places"),
});
export type ChecklistDoneJson = z.infer<typeof ChecklistDoneJson>;
