import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Plugin, rolldown } from "rolldown";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
// Threads and the demo's application are started by their file's name beside that of whoever starts them, so all files lie in one folder.
const THREADS = {
  "copy-worker": "src/engines/snapshot/copy-worker.ts",
  "check-worker": "src/engines/snapshot/check-worker.ts",
  "load-worker": "src/engines/snapshot/load-worker.ts",
};
const ENTRIES = {
  main: "src/cli/main.ts",
  ...THREADS,
  "look-worker": "src/operations/sources/look-worker.ts",
  "shop-api-main": "src/demo/shop-api-main.ts",
};
// Of some forty starting points: what as many share is what nearly every command loads.
const SHARED_BY_MOST = 16;
const LICENSES = "THIRD-PARTY-LICENSES.txt";

/** Changes a module on its way into the program; gives its source back as it was where it is none of those meant. */
export type Change = (path: string, source: string) => string;

export interface BuildOptions {
  /** For measurements of a program that is a little different; fails where it changes nothing. */
  readonly change?: Change;
  /** Further programs that share its code, by the names of what is built: for tests. */
  readonly beside?: Readonly<Record<string, string>>;
}

/**
 * Builds the program that is published into a folder, which is emptied first: its sources and all that they import, in few files,
 * because finding and loading hundreds takes half of the time that the program takes to start. What others wrote keeps
 * its licences, in a file beside it.
 */
export async function buildProgram(folder: string, options: BuildOptions = {}): Promise<void> {
  const { change, beside = {} } = options;
  let changed = false;
  const changing: Plugin = {
    name: "change",
    transform(source, id) {
      const made = change?.(id, source) ?? source;
      changed ||= made !== source;
      return made;
    },
  };
  await rm(folder, { recursive: true, force: true });
  await using build = await rolldown({
    cwd: ROOT,
    input: { ...ENTRIES, ...beside },
    platform: "node",
    plugins: [changing],
  });
  const { output } = await build.write({
    dir: folder,
    format: "esm",
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: { groups: await chunkGroups() },
  });
  if (change !== undefined && !changed) throw new Error("build the program: there is nothing to change");
  const modules = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
  await writeFile(join(folder, LICENSES), await licensesOf(modules));
}

/**
 * What is loaded together lies in one file: left alone, a command loads some ninety, and finding, reading and linking them
 * is a quarter of the processor's time that its start takes. Threads have a file of their own, for they need none of the
 * rest.
 */
async function chunkGroups(): Promise<
  { name: string; priority: number; test?: Test; minShareCount?: number }[]
> {
  const ofThreads = await modulesOfThreads();
  return [
    { name: "threads", priority: 2, test: (id) => ofThreads.has(id) },
    { name: "core", priority: 1, minShareCount: SHARED_BY_MOST },
  ];
}

type Test = (id: string) => boolean;

/** What threads load when they start, but for the files by whose names they are started. */
async function modulesOfThreads(): Promise<ReadonlySet<string>> {
  await using build = await rolldown({ cwd: ROOT, input: THREADS, platform: "node" });
  const { output } = await build.generate({ format: "esm" });
  const chunks = new Map(output.flatMap((file) => (file.type === "chunk" ? [[file.fileName, file]] : [])));
  const loaded = new Set<string>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const imported of chunks.get(name)?.imports ?? []) load(imported);
  };
  for (const { fileName, isEntry } of chunks.values()) if (isEntry) load(fileName);
  const modules = [...loaded].flatMap((name) => chunks.get(name)?.moduleIds ?? []);
  const starts = Object.values(THREADS).map((path) => join(ROOT, path));
  return new Set(modules.filter((id) => !starts.includes(id)));
}

/** The licence of every package that one of these files is of. */
async function licensesOf(modules: readonly string[]): Promise<string> {
  const folders = new Set(
    modules.flatMap((id) => /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id)?.[1] ?? []),
  );
  const texts: string[] = [];
  for (const folder of [...folders].toSorted()) {
    const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
      readonly name: string;
      readonly version: string;
      readonly license?: string;
    };
    const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).toSorted();
    const words = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
    texts.push(
      [`${name} ${version}: ${license ?? "see below"}`, ...words.map((text) => text.trim())].join("\n\n"),
    );
  }
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
