import type { Observer } from "../../src/lib/runtime.ts";

/**
 * One moment of a run: just before or just after an operation on storage, SQL server or child process, by a name that
 * is the same in every such run: `after storage put data/backups/<id>/tables #1`.
 */
export type Moment = string;

/**
 * Tells of each moment by its name. What differs from run to run (ids, times, numbers) is replaced.
 * @param landmarks operations after which counting begins anew, for what comes before them may not be the same in all
 */
export function observing(landmarks: readonly string[], tell: (moment: Moment) => void): Observer {
  let seen = new Map<string, number>();
  let passed = "";
  return (phase, operation) => {
    const same = operation
      .replaceAll(/\d{8}T\d{6}Z-[0-9a-f]{4}/g, "<id>")
      .replaceAll(/(runs\/)\d{4}-\d{2}\//g, "$1<month>/")
      .replaceAll(/\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}/g, "<run>")
      .replaceAll(/\d{8}_\d{6}(_\d+)?/g, "<time>")
      .replaceAll(/lease\.\d+\.json/g, "lease.<n>.json")
      .replaceAll(/[0-9a-f]{2}\/[0-9a-f]{64}-[0-9a-f]{16}/g, "<ab>/<name>")
      .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "<uuid>");
    const name = `${phase} ${same}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    tell(`${name} #${count}${passed}`);
    if (phase !== "after" || !landmarks.includes(same)) return;
    seen = new Map();
    passed = ` after ${same}`;
  };
}

/**
 * Chooses which moments of a run to try: one of each state that a kill can leave. The first stands for all until something
 * is changed; after every operation that changes something comes one; and while such an operation is under way, for which
 * others may work on by themselves, each start of another one is tried too. What only reads leaves the server and the
 * repository as they are.
 * @param changing matches the moment's operation: `storage put`, `sql CREATE`
 */
export function momentsOfChange(changing: RegExp): (moment: Moment) => boolean {
  let underWay = 0;
  let tried = false;
  return (moment) => {
    const changes = changing.test(moment.replace(/^(before|after) /, ""));
    const ended = changes && moment.startsWith("after ");
    const chosen = !tried || ended || (changes && underWay > 0);
    if (changes) underWay += ended ? -1 : 1;
    tried = true;
    return chosen;
  };
}

/**
 * Tells of each moment before an operation, of those that match, by a name that tells the steps of a plan apart:
 * `before sql COPY #1 in step restore`.
 */
export function observingSteps(chosen: RegExp, tell: (moment: Moment) => void): Observer {
  let step = "the beginning";
  const counting = (): Observer =>
    observing([], (moment) => {
      const named = `${moment} in ${step}`;
      if (moment.startsWith("before ") && chosen.test(named)) tell(named);
    });
  let observe = counting();
  return (phase, operation) => {
    if (phase === "before" && operation.startsWith("step ")) {
      step = operation;
      observe = counting();
    }
    observe(phase, operation);
  };
}
