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
      .replaceAll(/\d{8}_\d{6}(_\d+)?/g, "<time>")
      .replaceAll(/lease\.\d+\.json/g, "lease.<n>.json");
    const name = `${phase} ${same}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    tell(`${name} #${count}${passed}`);
    if (phase !== "after" || !landmarks.includes(same)) return;
    seen = new Map();
    passed = ` after ${same}`;
  };
}
