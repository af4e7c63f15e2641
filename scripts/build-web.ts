import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const WEB = fileURLToPath(new URL("../web/", import.meta.url));
const BUILT = fileURLToPath(new URL("../dist/web/index.html", import.meta.url));
const TEXT = fileURLToPath(new URL("../src/lib/text.ts", import.meta.url));

/** Builds the dashboard into `dist/web`. @param unlessCurrent not where what is there is newer than every source */
export async function buildWeb(unlessCurrent = false): Promise<void> {
  if (unlessCurrent && (await changedAt(BUILT)) > (await newestSource())) return;
  await build({ configFile: join(WEB, "vite.config.ts"), logLevel: "warn" });
}

async function newestSource(): Promise<number> {
  const entries = await readdir(WEB, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Math.max(...(await Promise.all([...files, TEXT].map(changedAt))));
}

/** 0 where it is not there. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await buildWeb(process.argv.includes("--unless-current"));
