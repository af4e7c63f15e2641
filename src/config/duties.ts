import { z } from "zod";
import { label, text } from "./fields.ts";

/** How often a duty is to be done: once in each of these, as the calendar of the strategy's time zone has them. */
export const PERIODS = ["daily", "weekly", "monthly", "quarterly"] as const;

/** Something that a person does, again and again. What is scheduled is a duty by itself. */
export const Duty = z.strictObject({
  name: label().describe("Name of the duty, unique; `handled checklist done NAME` records it"),
  every: z.enum(PERIODS).describe("How often: once a day, ISO week, month or quarter"),
  what: text().describe("What to do, for whoever does it"),
  database: z
    .string()
    .optional()
    .describe("The database it is about, which keeps the record of it; default: the first of the strategy"),
});
