import { z } from "zod";

/** `records/duties/<time>-<8 hex digits>.json`: somebody has done a duty of the checklist. Written once, never changed. */
export const DutyFile = z.strictObject({
  format: z.int().min(1),
  /** The duty's name in the strategy. */
  duty: z.string(),
  at: z.iso.datetime(),
  host: z.string(),
  user: z.string(),
  /** What they had to say; empty where nothing. */
  note: z.string(),
});
export type DutyFile = z.infer<typeof DutyFile>;
