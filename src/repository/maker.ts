import { createHash } from "node:crypto";
import { describeHolder, stateOfHolder } from "./holder.ts";
import type { Holder } from "./manifest.ts";

/**
 * Who makes a thing, short enough for its name: `9f8e7d6c_1234_567890` (a digest of the kernel's boot, the process, its
 * start). A process that is killed leaves what it made, and the next one knows by the name that nobody works on it any
 * more. Empty where the system does not tell when a process began.
 */
export async function makerTag(): Promise<string> {
  const self = await describeHolder("restore");
  return self.processStart === null ? "" : `${kernelOf(self)}_${self.pid}_${self.processStart}`;
}

/** Whether the maker was a process of this machine that is gone. */
export async function isMakerGone(tag: string): Promise<boolean> {
  const [, kernel, pid, start] = /^([0-9a-f]{8})_(\d+)_(\d+)$/.exec(tag) ?? [];
  const self = await describeHolder("restore");
  if (kernel !== kernelOf(self) || start === undefined) return false;
  return (await stateOfHolder({ ...self, pid: Number(pid), processStart: start }, self)) === "dead";
}

function kernelOf({ bootId, pidNamespace }: Holder): string {
  return createHash("sha256").update(`${bootId} ${pidNamespace}`).digest("hex").slice(0, 8);
}
