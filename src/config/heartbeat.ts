import { z } from "zod";

/** Keys of a database: whether backups leave their time in it. */
export const heartbeatKeys = {
  heartbeat: z
    .boolean()
    .default(false)
    .describe(
      "Whether each backup first writes its time into the table `handled.heartbeat` of the database, which it makes: what `handled recover together` restores then tells itself how far apart it is",
    ),
};
