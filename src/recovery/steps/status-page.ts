import type { Runtime } from "../../lib/runtime.ts";
import { describeStatus } from "../../providers/describe-status.ts";
import { readStatusPage } from "../../providers/status-page.ts";
import type { Step } from "../plan.ts";

/** Tells what the service says of itself, for the person who waits. Nothing depends on it, and nothing that is wrong with it is an error. */
export function statusPageStep(
  runtime: Runtime,
  { page, budgetMs }: { readonly page: string | undefined; readonly budgetMs: number },
): Step {
  const { reporter } = runtime;
  return {
    id: "status",
    title: "Read the status page of the service",
    runs: page === undefined ? "nothing: no page is known" : `curl ${page}/api/v2/summary.json`,
    checkedBy: "it is information only",
    budgetMs,
    ifItFails: "look at it with a browser",
    confirm: null,
    run: async (_outputs, signal) => {
      if (page === undefined) {
        reporter.note("no status page is known: `statusPage` of the provider in the strategy names one");
        return {};
      }
      const said = describeStatus(await readStatusPage(page, signal));
      if (said === null)
        reporter.note("the service says that all is well: is something between it and this machine?");
      else reporter.warn(said);
      return {};
    },
    check: async () => {},
  };
}
