import { formatDuration } from "../../lib/text.ts";
import type { Storage } from "../../storage/storage.ts";
import { ok, type Outcome, problem, warning } from "./finding.ts";

const HINT =
  "make a new bucket with object lock (most servers allow that only then), or leave `lock` of the repository away";

/**
 * Whether what is deleted or overwritten can be had back, and whether a `lock` holds. Looks at the settings of the bucket
 * alone: a trial would leave an object that nobody can delete.
 */
export async function checkLock(storage: Storage, signal: AbortSignal): Promise<Outcome[]> {
  const { locks, protection } = storage;
  if (protection === undefined)
    return [ok("who can write to the repository can delete it: a folder locks nothing")];
  const { versioning, objectLock, expiresOldVersions } = await protection(signal);
  if (locks === undefined) {
    if (objectLock) {
      const text = `${storage.place} could lock objects, and is not told to: who has the keys can delete backups`;
      return [warning(text, "set `lock: 14d` for the repository")];
    }
    return [
      ok(
        versioning
          ? "the bucket keeps versions of what is deleted: `--as-of TIME` reads them, until somebody deletes those, too"
          : "who has the keys can delete the backups: the bucket has neither versions nor object lock",
      ),
    ];
  }
  if (!objectLock || !versioning) {
    return [
      problem("repository_unusable", `${storage.place} cannot lock objects, and \`lock\` asks for it`, HINT),
    ];
  }
  const text = `objects are locked for ${formatDuration(locks.windowMs)} at least (${locks.mode} mode)`;
  if (expiresOldVersions === false) {
    return [
      ok(text),
      warning(
        `${storage.place} keeps deleted and replaced versions for ever: space is never freed`,
        "give the bucket a lifecycle rule that expires noncurrent versions after a day; it leaves alone what is locked",
      ),
    ];
  }
  return [ok(text)];
}
