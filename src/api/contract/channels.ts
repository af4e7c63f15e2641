import { z } from "zod";
import { CHANNEL_KINDS, SEVERITIES } from "../../config/notify.ts";
import { count, time } from "../../json/common.ts";

export const ChannelsJson = z
  .strictObject({
    channels: z
      .array(
        z
          .strictObject({
            name: z.string().describe("Name of the channel"),
            kind: z.enum(CHANNEL_KINDS).describe("Kind of channel"),
            told: z
              .array(
                z.strictObject({
                  severity: z.enum(SEVERITIES).describe("How bad a finding is at least"),
                  databases: z.array(z.string()).nullable().describe("Of which databases; null: of all"),
                }),
              )
              .describe("What it is told of; nothing where it is a ping, which is called for backups"),
            lastAt: time.nullable().describe("When a message arrived last; null: none is remembered"),
            failing: z
              .strictObject({
                since: time.describe("Since when messages do not arrive"),
                triedAt: time.describe("When it was tried last"),
                attempts: count.describe("How often it was tried since"),
                reason: z.string().describe("Why the last one did not arrive"),
              })
              .nullable()
              .describe("Null where the last message arrived, or none was sent"),
          })
          .meta({ title: "channel" }),
      )
      .describe("In the strategy's order"),
  })
  .meta({ title: "channels" });
export type ChannelsJson = z.infer<typeof ChannelsJson>;

/** The `result` of a job `notify-test`. */
export type { NotifyTestJson } from "../../json/notify.ts";
