import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import { output, type Plan, type Step } from "../plan.ts";
import { type Candidate, chooseNearestStep } from "../steps/choose-nearest.ts";
import { assertionSteps } from "../steps/assertions.ts";
import { ofDatabase } from "../steps/of-database.ts";
import type { InUse } from "../steps/made-forks.ts";
import { isFromProvider, onlyFromBackup, providerForkStep } from "../steps/provider-fork.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { type Restored, tellTogetherStep } from "../steps/tell-together.ts";
import { describeTarget } from "../subject.ts";

const MINUTE = 60_000;

/** One of the databases, and what a backup of it becomes. */
export interface Beside extends Candidate {
  /** A new database beside the live one. */
  readonly target: ConnectionSettings;
}

export interface TogetherRequest {
  readonly databases: readonly Beside[];
  readonly at: Date;
  /** What a database of a managed service comes back from. */
  readonly from: ManagedSource;
  /** What people work on: a cluster there is not destroyed on the way back. */
  readonly inUse: InUse;
  readonly isDrill: boolean;
}

/**
 * Databases that know of each other, as they were at one moment: each is restored beside the live one, or into a new cluster of its
 * service, never over what is there.
 */
export function planTogether(runtime: Runtime, request: TogetherRequest): Plan {
  const { databases, at, from, isDrill } = request;
  const parts = databases.map((one) => comeBack(runtime, request, one));
  const isManaged = databases.some(({ managed }) => managed !== null);
  return {
    scenario: "together",
    databases: databases.map(({ subject }) => subject.database),
    budgetMs: (10 + 60 * databases.length) * MINUTE,
    aim: {
      at: at.toISOString(),
      targets: databases.map(({ target }) => describeTarget(target)).join(", "),
      ...(isManaged ? { from: from ?? "whatever is nearest" } : {}),
    },
    touches: isDrill
      ? []
      : databases.map(({ target, managed }) => {
          const beside = `${describeTarget(target)}: made anew; what is live stays as it is`;
          const price = managed?.settings.price;
          return managed === null
            ? beside
            : `the account: a new cluster, which costs money${price === undefined ? "" : ` (${price})`}; or ${beside}`;
        }),
    steps: [
      chooseNearestStep(runtime, { databases, at, from, budgetMs: 5 * MINUTE }),
      ...parts.flatMap(({ steps }) => steps),
      tellTogetherStep(runtime, {
        restored: parts,
        budgetMs: 5 * MINUTE,
      }),
    ],
  };
}

/** How one of them comes back, and where it is then. */
function comeBack(
  runtime: Runtime,
  request: TogetherRequest,
  { subject, target, managed }: Beside,
): Restored & { readonly steps: readonly Step[] } {
  const asked = (settings: () => ConnectionSettings): Step[] =>
    assertionSteps(runtime, { subject, target: settings, budgetMs: 5 * MINUTE });
  const restore = restoreBackupStep(runtime, {
    subject,
    target,
    budgetMs: 60 * MINUTE,
    confirm: null,
    elsewhere: null,
  });
  const all = (steps: readonly Step[]): Step[] => steps.map((step) => ofDatabase(subject.database, step));
  if (managed === null)
    return { subject, steps: all([restore, ...asked(() => target)]), where: () => target };
  let restored: ConnectionSettings | undefined;
  const fork = forkStep(runtime, request, { subject, managed }, (settings) => void (restored = settings));
  const where = (): ConnectionSettings => {
    if (restored !== undefined) return restored;
    throw new AppError("unexpected", `recover ${subject.database}: nothing was restored`);
  };
  const beside = onlyFromBackup(restore, () => void (restored = target));
  return { subject, steps: all([fork, beside, ...asked(where)]), where };
}

/** The cluster stays, with a lifetime: it is what was asked for. */
function forkStep(
  runtime: Runtime,
  { from, inUse }: TogetherRequest,
  { subject, managed }: { readonly subject: Beside["subject"]; readonly managed: Managed },
  found: (settings: ConnectionSettings) => void,
): Step {
  const { database } = subject;
  const step = providerForkStep(runtime, {
    subject,
    managed,
    isDrill: false,
    inUse,
    budgetMs: 30 * MINUTE,
    otherwise: (reason, outputs) => {
      if (from === "provider" || outputs["backup"] === undefined) throw reason;
      runtime.reporter.warn(`${database}: the service is of no use: ${reason.message}`);
      runtime.reporter.note(`${database}: going on with ${outputs["backup"]}, a backup of our own`);
      return { source: "backup", snapshotAt: output(outputs, "ownAt") };
    },
    found: async (settings) => {
      found(settings);
      await Promise.resolve();
    },
    making: () => {},
  });
  return {
    ...step,
    confirm: (outputs) =>
      isFromProvider(outputs)
        ? {
            what: `have the service make a new cluster with ${database} as of ${output(outputs, "snapshotAt")}, which costs money until it is destroyed`,
            name: database,
          }
        : null,
  };
}
