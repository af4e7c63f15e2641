import type { Runtime } from "../../lib/runtime.ts";
import type { Plan } from "../plan.ts";
import { chooseNearestStep } from "../steps/choose-nearest.ts";
import { ofDatabase } from "../steps/of-database.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { type RestoredBeside, tellTogetherStep } from "../steps/tell-together.ts";
import { describeTarget } from "../subject.ts";

const MINUTE = 60_000;

export interface TogetherRequest {
  /** Each with the new database that it is restored into. */
  readonly databases: readonly RestoredBeside[];
  readonly at: Date;
  readonly isDrill: boolean;
}

/** Databases that know of each other, as they were at one moment: each is restored beside the live one, never over it. */
export function planTogether(runtime: Runtime, { databases, at, isDrill }: TogetherRequest): Plan {
  const subjects = databases.map(({ subject }) => subject);
  return {
    scenario: "together",
    databases: subjects.map(({ database }) => database),
    budgetMs: (10 + 60 * databases.length) * MINUTE,
    aim: { at: at.toISOString(), targets: databases.map(({ target }) => describeTarget(target)).join(", ") },
    touches: isDrill
      ? []
      : databases.map(({ target }) => `${describeTarget(target)}: made anew; what is live stays as it is`),
    steps: [
      chooseNearestStep(runtime, { subjects, at, budgetMs: 5 * MINUTE }),
      ...databases.map(({ subject, target }) =>
        ofDatabase(
          subject.database,
          restoreBackupStep(runtime, { subject, target, budgetMs: 60 * MINUTE, confirm: null }),
        ),
      ),
      tellTogetherStep(runtime, { restored: databases, budgetMs: 5 * MINUTE }),
    ],
  };
}
