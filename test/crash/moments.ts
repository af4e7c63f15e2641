import type { Observer } from "../../src/lib/runtime.ts";

/**
 * One moment of a run: just before or just after an operation on storage, SQL server or child process, by a name that
 * is the same in every such run: `after storage put data/backups/<id>/tables #1`.
 */
export type Moment = string;

/** Names the moments of a run as they come. What differs from run to run (ids, times, numbers) is replaced. */
export function momentNamer(): (phase: "before" | "after", operation: string) => Moment {
  const seen = new Map<string, number>();
  return (phase, operation) => {
    const name = `${phase} ${operation
      .replaceAll(/\d{8}T\d{6}Z-[0-9a-f]{4}/g, "<id>")
      .replaceAll(/\d{8}_\d{6}(_\d+)?/g, "<time>")
      .replaceAll(/lease\.\d+\.json/g, "lease.<n>.json")}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return `${name} #${count}`;
  };
}

/** Tells of each moment by its name. */
export function observing(tell: (moment: Moment) => void): Observer {
  const nameOf = momentNamer();
  return (phase, operation) => tell(nameOf(phase, operation));
}
