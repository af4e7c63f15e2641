import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { temporaryFolder } from "./temporary-folder.ts";

const PROGRAM = join(import.meta.dirname, "storage-child-main.ts");

type Scene = "full-disk" | "read-only" | "no-rights";

/**
 * Runs the storage against a file system that is really full, really read-only, or really not ours: in a process with
 * mounts of its own, which go away with it.
 */
export async function runStorageChild(scene: Scene): Promise<unknown> {
  await using folder = await temporaryFolder();
  const child = spawn(...commandFor(scene, folder.path), { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  if (code !== 0) throw new Error(`storage child ended with ${code}: ${errors}`);
  return JSON.parse(output) as unknown;
}

function commandFor(scene: Scene, folder: string): [string, string[]] {
  const run = [process.execPath, PROGRAM, scene, folder];
  // The folder is ours alone; the child gives up being us where we are root.
  if (scene === "no-rights") return [process.execPath, run.slice(1)];
  const options = scene === "full-disk" ? "size=1m" : "ro";
  const script = `mount -t tmpfs -o ${options} tmpfs "$4" && exec "$@"`;
  return ["unshare", [process.getuid?.() === 0 ? "-m" : "-rm", "sh", "-c", script, "sh", ...run]];
}
