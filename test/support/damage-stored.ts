import type { Storage } from "../../src/storage/storage.ts";
import { noAbort } from "./runtime.ts";

export const DAMAGES = ["removed", "cut", "flipped"] as const;
export type Damage = (typeof DAMAGES)[number];

/**
 * Damages one object as it lies in a place: it is gone, lacks its second half, or has one bit changed in its middle.
 * Returns the bytes it had.
 */
export async function damageStored(storage: Storage, key: string, damage: Damage): Promise<Buffer> {
  const signal = noAbort();
  const whole = await storage.get(key, signal);
  const middle = whole.length >> 1;
  switch (damage) {
    case "removed":
      await storage.delete(key, signal);
      break;
    case "cut":
      await storage.put(key, whole.subarray(0, middle), signal);
      break;
    case "flipped": {
      const data = Buffer.from(whole);
      data[middle] = (data[middle] ?? 0) ^ 1;
      await storage.put(key, data, signal);
    }
  }
  return whole;
}
