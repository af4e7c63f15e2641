import { cp, rm } from "node:fs/promises";
import { expect } from "vitest";
import type { Emulator } from "../../src/demo/digitalocean/emulator.ts";
import type { Observer } from "../../src/lib/runtime.ts";
import { ask, clustersBeside } from "./emulator.ts";

/** A recovery through the service's cluster `shop`, which is begun again and again. */
export interface Refused {
  /** Strikes again: all as it was, but for the clusters and journals that are there. */
  readonly strike: () => Promise<void>;
  /** The folder with its journal. */
  readonly journals: string;
  /** Runs it, or goes on with it. @returns all that was told */
  readonly run: (observer: Observer, signal: AbortSignal) => Promise<string>;
  /** Fails where something counts as back that is not, or more was changed than should be. @param call what was refused; undefined: nothing */
  readonly check: (told: string, call: string | undefined) => Promise<void>;
}

/** What is asked while a cluster is made, and no longer of one that is there. */
const OF_MAKING = / (POST|PUT) | GET \S+databases\/ID$/;

/**
 * Refuses (422) each kind of question of a recovery once. Those that are about making a cluster make one, and none may be left. The
 * others go on with one and the same, as after a crash, for nobody can destroy it; so it has to be named.
 */
export async function refuseEach(emulator: Emulator, recovery: Refused): Promise<void> {
  const { strike, journals, run, check } = recovery;
  const begun = `${journals}-begun`;
  await startOver(emulator, recovery);
  const end = new AbortController();
  const before = watch(emulator);
  const killing: Observer = (phase, operation) => {
    if (operation.startsWith("step fork")) end.abort(new Error("killed"));
    if (end.signal.aborted) throw new Error("killed");
    before.observer(phase, operation);
  };
  await run(killing, end.signal);
  await cp(journals, begun, { recursive: true });
  // Asked for at least once before it is online.
  emulator.rules.onlineAfter = 200;
  const destroysNothing = (): void =>
    emulator.faults.failNext({ method: "DELETE", status: 422, times: Number.POSITIVE_INFINITY });
  destroysNothing();
  const after = watch(emulator);
  await check(await run(after.observer, new AbortController().signal), undefined);
  const [cluster] = await namesMade(emulator);
  expect(cluster).toBeDefined();
  expect(after.calls.length).toBeGreaterThan(5);
  for (const call of [...before.calls, ...after.calls]) {
    const goesOn = after.calls.includes(call) && !OF_MAKING.test(call);
    await startOver(emulator, { strike, journals });
    if (goesOn) {
      await cp(begun, journals, { recursive: true });
      destroysNothing();
    }
    const watched = watch(emulator, call);
    const told = await run(watched.observer, new AbortController().signal);
    expect(watched.isRefused(), `${call}: ${told}`).toBe(true);
    await check(told, call);
    expect(await namesMade(emulator), `${call}: ${told}`).toEqual([cluster]);
    if (goesOn) expect(told, call).toMatch(new RegExp(`${cluster}.* costs? money`));
  }
  emulator.faults.clear();
  for (const { id } of await clustersBeside(emulator, "shop"))
    await ask(emulator, "DELETE", `/v2/databases/${id}`);
  await rm(begun, { recursive: true });
}

async function startOver(
  emulator: Emulator,
  { strike, journals }: Pick<Refused, "strike" | "journals">,
): Promise<void> {
  emulator.faults.clear();
  await rm(journals, { recursive: true, force: true });
  await strike();
}

async function namesMade(emulator: Emulator): Promise<string[]> {
  return (await clustersBeside(emulator, "shop")).map(({ name }) => name);
}

/** The kinds of questions to the service: step, method, and path without ids. The first of the kind that is given is refused. */
function watch(emulator: Emulator, refused?: string) {
  const calls = new Set<string>();
  let step = "";
  const observer: Observer = (phase, operation) => {
    if (phase !== "before") return;
    if (operation.startsWith("step ")) step = operation;
    const [, method = "", path = ""] = /^provider (\w+) ([^?]*)/.exec(operation) ?? [];
    const call = `${step}: ${method} ${path.replace(/databases\/[^/]+/, "databases/ID")}`;
    if (method === "" || calls.has(call)) return;
    calls.add(call);
    if (call === refused) emulator.faults.failNext({ method, status: 422 });
  };
  return {
    observer,
    get calls() {
      return [...calls];
    },
    isRefused: () => refused !== undefined && calls.has(refused),
  };
}
