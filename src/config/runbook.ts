import { join, resolve } from "node:path";
import { z } from "zod";
import { checked } from "./fields.ts";

const file = () =>
  checked((path) =>
    /[^/]\.(md|html)$/.test(path) ? undefined : "must be a path that ends in `.md` or `.html`",
  );

/** The runbook that the daemon keeps written, as the strategy says it. */
export const RunbookFile = z.strictObject({
  file: z
    .union([file(), z.array(file()).min(1)])
    .describe(
      "Where `handled serve` keeps the runbook written as it stands: HTML where it ends in `.html`, Markdown where it ends in `.md`; " +
        "or a list of such paths. A relative path starts at the strategy file's folder, `~/` at the home folder",
    ),
});

/** Absolute paths of the files; `folder` is the strategy file's, `home` is `~`. */
export function buildRunbook(
  runbook: z.output<typeof RunbookFile> | undefined,
  { folder, home }: { readonly folder: string; readonly home: string },
): string[] {
  if (runbook === undefined) return [];
  const paths = [runbook.file].flat().map((path) => absolute(path, folder, home));
  return [...new Set(paths)];
}

function absolute(path: string, folder: string, home: string): string {
  return path.startsWith("~/") ? join(home, path.slice(1)) : resolve(folder, path);
}
