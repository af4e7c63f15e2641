import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Plugin } from "vitest/config";

const STARTS_THREAD = /import\.meta\.url\.endsWith\("\.ts"\) \? "\.\/[a-z]+-worker\.ts"/;

/**
 * Lets the modules that start threads find those that were built for the run beside them, as in the published program: of
 * the sources each would find, strip and load more than a hundred modules, which takes longer than what it is started for.
 */
export function threadsFromBuilt(): Plugin {
  return {
    name: "threads from built",
    enforce: "pre",
    transform: (code) => {
      if (!STARTS_THREAD.test(code)) return undefined;
      const beside = pathToFileURL(join(process.env["HANDLED_TEST_PROGRAMS"] ?? "", "main.js")).href;
      return code.replaceAll("import.meta.url", JSON.stringify(beside));
    },
  };
}
