import { join } from "node:path";
import { inject } from "vitest";

/** The file of a program that was built for this run, to be started with Node. */
export function builtProgram(name: "main" | "fast-main" | "run-step"): string {
  return join(inject("programs"), `${name}.js`);
}
