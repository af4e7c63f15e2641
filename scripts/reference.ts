import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeDurable } from "../src/lib/durable.ts";
import { errorCode } from "../src/errors.ts";
import { strategyReference } from "../src/config/reference.ts";
import { cliReference } from "./reference/cli.ts";
import { errorsReference } from "./reference/errors.ts";
import { jsonReference } from "./reference/json-output.ts";

const { values } = parseArgs({
  options: { check: { type: "boolean", default: false }, folder: { type: "string" } },
});
const folder = values.folder ?? join(import.meta.dirname, "../docs/reference");
const NOTICE = "<!-- Made by `npm run reference` from the source; changes here are lost. -->\n\n";

/** The reference pages as the source has them now, by file name. */
async function pages(): Promise<Record<string, string>> {
  return {
    "cli.md": NOTICE + (await cliReference()),
    "config.md": NOTICE + strategyReference(),
    "errors.md": NOTICE + errorsReference(),
    "json-output.md": NOTICE + jsonReference(),
  };
}

/** Names of the pages that are not what the source says. */
async function findDrift(): Promise<string[]> {
  const drifted: string[] = [];
  for (const [name, text] of Object.entries(await pages())) {
    const present = await readFile(join(folder, name), "utf8").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    if (present !== text) drifted.push(name);
  }
  return drifted;
}

if (values.check) {
  const drifted = await findDrift();
  for (const name of drifted) console.error(`${join(folder, name)} is not what the source says`);
  if (drifted.length > 0) {
    console.error("hint: `npm run reference` writes it anew");
    process.exitCode = 1;
  }
} else {
  for (const [name, text] of Object.entries(await pages()))
    await writeDurable(join(folder, name), text, 0o644);
}
