import { z } from "zod";
import { count, milliseconds } from "./common.ts";

const delivered = z.boolean().describe("Whether the other side has taken it");

const problem = z
  .strictObject({
    code: z.string().describe("Code of the error"),
    message: z.string().describe("What went wrong"),
    hint: z.string().nullable().describe("What to do about it"),
  })
  .nullable()
  .describe("Why it did not arrive; null where it did");

export const NotifyTestJson = z.strictObject({
  channels: z
    .array(
      z.strictObject({
        channel: z.string().describe("Name of the channel"),
        kind: z.enum(["email", "slack", "webhook", "ping"]).describe("Kind of channel"),
        delivered,
        attempts: count.describe("How often it was tried"),
        durationMs: milliseconds.describe("How long that took, in milliseconds"),
        error: problem,
      }),
    )
    .describe("The channels that were tried"),
});

export type NotifyTestJson = z.infer<typeof NotifyTestJson>;
