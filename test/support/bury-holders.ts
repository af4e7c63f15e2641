import { z } from "zod";
import { leaseNumber } from "../../src/repository/layout.ts";
import { LeaseFile, ReadMarkFile } from "../../src/repository/manifest.ts";
import type { Storage } from "../../src/storage/storage.ts";

const Held = z.union([LeaseFile, ReadMarkFile]);

/**
 * Makes this process's leases and read markers look like those of a process that died: same machine, same pid, but the pid was given to
 * another process since. A test that "kills" storage in its own process needs it.
 */
export async function buryHolders(storage: Storage, signal: AbortSignal): Promise<void> {
  for await (const { key } of storage.list("", "all", signal)) {
    if (leaseNumber(key) === undefined && !key.includes("/readers/")) continue;
    const file = Held.parse(JSON.parse((await storage.get(key, signal)).toString()));
    const buried = { ...file, holder: { ...file.holder, processStart: "1" } };
    await storage.put(key, Buffer.from(JSON.stringify(buried)), signal);
  }
}
