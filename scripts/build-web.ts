import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const WEB = fileURLToPath(new URL("../web/", import.meta.url));
const BUILT = fileURLToPath(new URL("../dist/web/", import.meta.url));
// What its scripts share with the programs.
const SHARED = ["../src/lib/text.ts", "../src/access/roles.ts"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);

/** Builds the dashboard into a folder, which is emptied first. */
export async function buildWeb(folder: string): Promise<void> {
  await build({ configFile: join(WEB, "vite.config.ts"), logLevel: "warn", build: { outDir: folder } });
}

async function newestSource(): Promise<number> {
  const entries = await readdir(WEB, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Math.max(...(await Promise.all([...files, ...SHARED].map(changedAt))));
}

/** 0 where it is not there. */
async function changedAt(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // For a checkout: what it serves is what its sources say.
  const isCurrent = (await changedAt(join(BUILT, "index.html"))) > (await newestSource());
  if (!isCurrent || !process.argv.includes("--unless-current")) await buildWeb(BUILT);
}
