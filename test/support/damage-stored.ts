import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const DAMAGES = ["removed", "cut", "flipped"] as const;
export type Damage = (typeof DAMAGES)[number];

/** Damages one file of a repository: it is gone, lacks its second half, or has one bit changed in its middle. */
export async function damageFile(folder: string, key: string, damage: Damage): Promise<void> {
  const path = join(folder, key);
  const data = await readFile(path);
  switch (damage) {
    case "removed":
      return await rm(path);
    case "cut":
      return await truncate(path, data.length >> 1);
    case "flipped": {
      const middle = data.length >> 1;
      data[middle] = (data[middle] ?? 0) ^ 1;
      return await writeFile(path, data);
    }
  }
}
