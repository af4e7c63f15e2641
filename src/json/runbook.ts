import { z } from "zod";
import { time } from "./common.ts";

export const RunbookJson = z.strictObject({
  printedAt: time.describe("When it was written"),
  file: z.string().nullable().describe("Where it was written; null without `--file`"),
  page: z.string().nullable().describe("The runbook itself; null where it is in the file"),
});
export type RunbookJson = z.infer<typeof RunbookJson>;
