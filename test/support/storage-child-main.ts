import { chmod, readdir } from "node:fs/promises";
import { join } from "node:path";
import { isAppError } from "../../src/errors.ts";
import { openFilesystem } from "../../src/storage/filesystem.ts";
import { noAbort, testRuntime } from "./runtime.ts";

const [scene = "", folder = ""] = process.argv.slice(2);
const signal = noAbort();
const storage = openFilesystem(testRuntime(), folder);

async function failureOf(work: () => Promise<unknown>) {
  try {
    await work();
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }
  throw new Error("nothing failed");
}

async function fillDisk() {
  const big = Buffer.alloc(2 * 1024 * 1024);
  const put = await failureOf(() => storage.put("db/put", big, signal));
  const putIfAbsent = await failureOf(() => storage.putIfAbsent("db/created", big, signal));
  const stage = await failureOf(async () => {
    await using staged = await storage.stage("db/staged", signal);
    await staged.write(big);
    await staged.finish();
  });
  const files = await readdir(join(folder, "db"));
  return { put: put.code, putIfAbsent: putIfAbsent.code, stage: stage.code, files };
}

if (scene === "no-rights") {
  await chmod(folder, 0o500);
  // Root may write anywhere; anybody will do who is not root.
  if (process.getuid?.() === 0) {
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
  }
}
const result =
  scene === "full-disk"
    ? await fillDisk()
    : await failureOf(() => storage.put("db/a", Buffer.from("x"), signal));
process.stdout.write(JSON.stringify(result));
