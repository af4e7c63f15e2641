import { z } from "zod";
import { SEVERITIES } from "../config/notify.ts";

const time = z.iso.datetime();
const severity = z.enum(SEVERITIES);

/** Something wrong, as it was found last. */
const Finding = z.strictObject({
  id: z.string(),
  database: z.string().nullable(),
  subject: z.string(),
  severity,
  message: z.string(),
  evidence: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  hint: z.string().nullable(),
});

/**
 * `records/alerts/state.json` of a database, and below `system/` that of what concerns none in particular: what somebody has been
 * told of. One object, replaced whenever anything else than `seenAt` changes.
 */
export const AlertsFile = z.strictObject({
  format: z.int().min(1),
  database: z.string().nullable(),
  /** When it was looked last; null before the first time. */
  seenAt: time.nullable(),
  alerts: z.array(
    z.strictObject({
      finding: Finding,
      openedAt: time,
      /** The last time it was known to be there; null while it is found. */
      goneSince: time.nullable(),
      /** When it counted as over; null while it does not. Then it is kept for a while, to know it again. */
      closedAt: time.nullable(),
      /** How often it came back soon after it was over. */
      returns: z.int().min(0),
      /** Channels that take it for open: when each was told last, how often, and of what severity. */
      told: z.record(z.string(), z.strictObject({ at: time, times: z.int().min(1), severity })),
    }),
  ),
  /** When each channel got its last message about this database. */
  sentAt: z.record(z.string(), time),
  /** Channels whose last message did not arrive. Below `system/` alone, like what follows. */
  failing: z.record(
    z.string(),
    z.strictObject({ since: time, triedAt: time, attempts: z.int().min(1), reason: z.string() }),
  ),
  /** The last digest that each channel got, or when it began to count. */
  digestAt: z.record(z.string(), time),
});
export type AlertsFile = z.infer<typeof AlertsFile>;
