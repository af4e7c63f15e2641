import type { Plugin } from "vitest/config";

const STARTS_THREAD = /import\.meta\.url\.endsWith\("\.ts"\) \? "\.\/[a-z]+-worker\.ts"/;

const BESIDE = 'process.env["HANDLED_TEST_PROGRAM"] ?? import.meta.url';

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
      // Looked up when it runs: what is transformed is kept for later runs, which have built programs of their own.
      return code.replaceAll("import.meta.url", `(${BESIDE})`);
    },
  };
}
