import { z } from "zod";
import { time } from "../../json/common.ts";

export const StrategyTextJson = z
  .strictObject({
    file: z.string().describe("Where it is, on the daemon's machine"),
    text: z.string().describe("All of it; secrets that are written in it are `•••`"),
    at: time.describe("When it was changed last"),
  })
  .meta({ title: "strategy" });
export type StrategyTextJson = z.infer<typeof StrategyTextJson>;
