import { resolve } from "node:path";
import { z } from "zod";
import { duration, LONGEST_TIMEOUT } from "./durations.ts";
import { environmentVariable, label, text } from "./fields.ts";

const RebuildCommand = z.strictObject({
  name: label().describe("What it does, in a word: `import`, `transform`"),
  run: z.string().min(1).describe("Shell command; the shell itself expands variables in it"),
  timeout: duration(LONGEST_TIMEOUT).prefault("4h").describe("How long it may take"),
});

/** How a database is made anew without a backup. */
const RebuildFile = z
  .strictObject({
    sources: z
      .array(text())
      .min(1)
      .describe(
        "What it is made from: files, folders (all that is in them), or patterns with `*`, `?`, `[…]` and `**`. Relative ones start at the " +
          "strategy file's folder. `handled status` tells when one is missing, cannot be read, or has shrunk",
      ),
    commands: z
      .array(RebuildCommand)
      .min(1)
      .describe("What makes it, one after the other; each must end with exit code 0"),
    directory: text().optional().describe("Where the commands run; without it the strategy file's folder"),
    databaseVariable: environmentVariable()
      .prefault("DATABASE_URL")
      .describe("Environment variable that has the URL of the database to fill"),
    environment: z
      .array(environmentVariable())
      .prefault([])
      .describe(
        "Variables of ours that the commands get, too. Otherwise they get none but such as PATH and HOME: one of them could lead " +
          "them to the live database",
      ),
  })
  .refine(({ commands }) => new Set(commands.map(({ name }) => name)).size === commands.length, {
    path: ["commands"],
    error: "must have different names",
  })
  .refine(({ environment, databaseVariable }) => !environment.includes(databaseVariable), {
    path: ["environment"],
    error: "must not name the variable of `databaseVariable`",
  });
type RebuildFile = z.output<typeof RebuildFile>;

/** The same, with absolute paths. */
export interface Rebuild extends Omit<RebuildFile, "sources" | "directory"> {
  readonly sources: readonly RebuildSource[];
  readonly directory: string;
}

export interface RebuildSource {
  /** As the strategy says it. */
  readonly source: string;
  /** A file, a folder, or a pattern. */
  readonly path: string;
}

/** @param folder that of the strategy file */
export function buildRebuild(rebuild: RebuildFile | undefined, folder: string): Rebuild | undefined {
  if (rebuild === undefined) return undefined;
  const sources = rebuild.sources.map((source) => ({ source, path: resolve(folder, source) }));
  return { ...rebuild, sources, directory: resolve(folder, rebuild.directory ?? "") };
}

/** Key of a database that can be had without a backup, too. */
export const rebuildKeys = {
  rebuild: RebuildFile.optional().describe("How it is made anew from the files that it was made from"),
};

/** Whether a shell command of it stands at this path, which we must not touch. */
export function isRebuildCommandPath(path: readonly PropertyKey[]): boolean {
  const [section, list, , key] = path.slice(-4);
  return section === "rebuild" && list === "commands" && key === "run";
}
