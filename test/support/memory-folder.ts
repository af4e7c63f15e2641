import { chmodSync, existsSync, mkdirSync, statfsSync } from "node:fs";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";

const MEMORY = "/dev/shm";
// Much more than a whole run takes.
const PLENTY_BYTES = 8 * 1024 ** 3;

/**
 * Where the tests' temporary files go: in memory, where there is plenty of it. Making and dropping databases, servers and
 * repositories is most of what the tests do, and a file system takes hundreds of files for each: ext4 alone spent a
 * quarter of the processors' time on finding free inodes. A TMPDIR that somebody set is left as it is. Sets TMPDIR for
 * this process, which makes the servers that a run shares, and returns it for those that run the tests.
 */
export function useMemoryForTemporaryFiles(): string {
  const folder = chosenFolder();
  process.env["TMPDIR"] = folder;
  return folder;
}

function chosenFolder(): string {
  if (process.env["TMPDIR"] !== undefined || Math.min(freeBytes(MEMORY), freemem()) < PLENTY_BYTES)
    return tmpdir();
  const folder = join(MEMORY, "handled-tests");
  mkdirSync(folder, { recursive: true });
  // Servers run as another user than root, and look for their folders in it.
  chmodSync(folder, 0o1777);
  return folder;
}

/** Zero where there is no such folder. */
function freeBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
