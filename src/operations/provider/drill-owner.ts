import { createHash } from "node:crypto";
import { describeHolder, stateOfHolder } from "../../repository/holder.ts";
import type { Holder } from "../../repository/manifest.ts";

const HASH_LENGTH = 16;

/**
 * Names this process, as the one whose drill a cluster belongs to: which running system, which process, and when that began. Null where the
 * system does not tell.
 */
export async function drillOwner(): Promise<string | null> {
  const self = await describeHolder("drill");
  const system = systemOf(self);
  return system === null || self.processStart === null ? null : `${system}-${self.pid}-${self.processStart}`;
}

/** Whether the process that a name of `drillOwner` means was one of this running system, and is gone. Of any other nobody knows here. */
export async function isDeadHere(owner: string): Promise<boolean> {
  const [, system, pid, processStart] = /^([0-9a-f]+)-(\d+)-(\d+)$/.exec(owner) ?? [];
  const self = await describeHolder("drill");
  if (pid === undefined || processStart === undefined || system !== systemOf(self)) return false;
  return (await stateOfHolder({ ...self, pid: Number(pid), processStart }, self)) === "dead";
}

/** A pid means something under the same boot and in the same pid namespace only. The names of neither are anybody's business. */
function systemOf({ host, bootId, pidNamespace }: Holder): string | null {
  if (bootId === null || pidNamespace === null) return null;
  const all = [host, bootId, pidNamespace].join("\n");
  return createHash("sha256").update(all).digest("hex").slice(0, HASH_LENGTH);
}
