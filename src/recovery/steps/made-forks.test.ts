import { expect, test } from "vitest";
import { testRuntime } from "../../../test/support/runtime.ts";
import type { Provider, ProviderCluster } from "../../providers/provider.ts";
import type { Managed } from "../managed.ts";
import { removeForks, undoFork } from "./made-forks.ts";

const FORK: ProviderCluster = {
  id: "2",
  name: "shop-again",
  status: "online",
  createdAt: null,
  size: "small",
  region: "fra1",
  nodes: 1,
  version: "17",
  lifetime: { until: new Date("2024-12-11T14:05:00Z"), source: "1", at: null, drill: null },
  url: null,
};

/** A service whose cluster `shop-again` was made from `shop`, and that answers to one question too late. */
function lateService(question: "clusters" | "addresses" | "destroy") {
  const late = async (): Promise<never> =>
    await Promise.reject(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  const provider: Partial<Provider> = {
    clusters: async () => await Promise.resolve([{ ...FORK, id: "1", name: "shop", lifetime: null }, FORK]),
    addresses: async () => await Promise.resolve([]),
    destroy: async () => await Promise.resolve(),
    [question]: late,
  };
  const managed = { settings: { cluster: "shop" }, open: () => provider } as unknown as Managed;
  return { managed, database: "primary" };
}

test.each(["clusters", "destroy"] as const)(
  "%s: a service that is too slow fails nothing, and what may be left is told",
  async (question) => {
    const runtime = testRuntime();
    await removeForks(runtime, lateService(question), new Set(["shop-again"]));
    expect(runtime.warnings.join()).toContain("shop-again may be there and cost money");
    expect(runtime.warnings.join()).toContain("`handled provider sweep primary --all`");
  },
);

test.each(["clusters", "addresses", "destroy"] as const)(
  "%s: the way back through a service that is too slow ends, and does not say that all is undone",
  async (question) => {
    const runtime = testRuntime();
    const inUse = async (): Promise<string[]> => await Promise.resolve([]);
    const outputs = { fork: "shop-again", moments: "2024-12-10T14:05:00.000Z" };
    const signal = new AbortController().signal;
    expect(await undoFork(runtime, { ...lateService(question), inUse }, outputs, signal)).toBe(false);
    expect(runtime.warnings.join()).toContain("shop-again may be there and cost money");
  },
);
