import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { askAssertions, nameOfAssertion } from "../../operations/verify/assertions.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Step } from "../plan.ts";
import type { Subject } from "../subject.ts";

const WAY_ON =
  "mend it in the restored database and go on, or drop that one and take another backup with `--backup ID --restart`; with `--despite-assertions` it goes on all the same";

/** Asks a restored database what the strategy asserts of it, before anything works on it; no step where nothing is asserted. */
export function assertionSteps(
  runtime: Runtime,
  {
    subject,
    target,
    budgetMs,
  }: { readonly subject: Subject; readonly target: () => ConnectionSettings; readonly budgetMs: number },
): Step[] {
  const { database, assertions } = subject;
  if (assertions.length === 0) return [];
  return [
    {
      id: "assert",
      title: `Ask ${database} what must be true of it`,
      runs: assertions
        .map(({ name, expect }) => nameOfAssertion({ name: name ?? null, sql: expect }))
        .join("; "),
      checkedBy: "each query of the strategy's `assertions` gives true",
      budgetMs,
      ifItFails: WAY_ON,
      confirm: null,
      isAfresh: true,
      run: async (_outputs, signal) => {
        await requireAsserted(runtime, subject, target(), signal);
        return { asserted: assertions.length };
      },
      // Who works on it by now may have made something else true.
      check: async () => {},
    },
  ];
}

/** Fails with `assertion_failed` where something is not true, unless the user wants to go on all the same: then that is told. */
export async function requireAsserted(
  runtime: Runtime,
  { database, assertions, despiteAssertions }: Subject,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<void> {
  const results = await askAssertions(runtime, settings, assertions, signal);
  const failed = results.filter(({ reason }) => reason !== null);
  if (failed.length === 0) {
    if (results.length > 0)
      runtime.reporter.note(`${counted(results.length, "assertion")} of ${database} hold`);
    return;
  }
  const which = failed.map((result) => `${nameOfAssertion(result)}: ${result.reason}`).join("; ");
  const what = `ask ${database} what must be true of it: of ${counted(results.length, "assertion")} ${failed.length} failed: ${which}`;
  if (!despiteAssertions) throw new AppError("assertion_failed", what, { hint: WAY_ON });
  runtime.reporter.warn(`${what}; going on all the same, as you wish`);
}
