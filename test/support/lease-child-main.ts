import { createInterface } from "node:readline";
import { isAppError } from "../../src/errors.ts";
import { acquireLease, type Lease } from "../../src/repository/lease.ts";
import { openOrCreateRepository } from "../../src/repository/repository.ts";
import { openFilesystem } from "../../src/storage/filesystem.ts";
import { noAbort, testRuntime } from "./runtime.ts";

const [folder = ""] = process.argv.slice(2);
const runtime = testRuntime();
const signal = noAbort();
const repository = await openOrCreateRepository(runtime, openFilesystem(runtime, folder), signal);
let lease: Lease | undefined;
process.stdout.write("ready\n");
for await (const word of createInterface({ input: process.stdin })) {
  if (word === "release") {
    await lease?.[Symbol.asyncDispose]();
    break;
  }
  try {
    lease = await acquireLease(runtime, repository, "shop", "backup", signal);
    process.stdout.write("held\n");
  } catch (error) {
    if (!isAppError(error)) throw error;
    process.stdout.write(`${error.code} ${error.message}\n`);
  }
}
process.stdin.destroy();
