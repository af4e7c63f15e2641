import { AppError, errorCode, messageOf } from "../errors.ts";

/**
 * What a failed file operation means to the caller, by its errno.
 * @param operation a verb: `write`
 * @param path the file or folder it was about
 */
export function fileError(operation: string, path: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const what = `${operation} ${path}`;
  switch (errorCode(cause)) {
    case "ENOENT":
      return new AppError("object_missing", `${what}: there is no such file`, { cause });
    case "EEXIST":
      return new AppError("object_exists", `${what}: it is there already`, { cause });
    case "ENOSPC":
      return new AppError("space_missing", `${what}: no space left on the device`, {
        cause,
        hint: "free space on that disk, keep fewer backups, or choose another repository",
      });
    case "EDQUOT":
      return new AppError("space_missing", `${what}: the disk quota is used up`, {
        cause,
        hint: "free space or have the quota raised",
      });
    case "EACCES":
    case "EPERM":
      return new AppError("repository_unusable", `${what}: permission denied`, {
        cause,
        hint: "run as the user who owns the repository's folder, or give this user read and write access to it",
      });
    case "EROFS":
      return new AppError("repository_unusable", `${what}: the file system is read-only`, {
        cause,
        hint: "mount it writable (the kernel turns a failing disk read-only: look at its log), or choose another repository",
      });
    case "ENOTDIR":
      return new AppError("repository_unusable", `${what}: a part of the path is a file, not a folder`, {
        cause,
        hint: "give the path of a folder",
      });
    case "EFBIG":
      return new AppError(
        "repository_unusable",
        `${what}: the file is too big for this file system or a limit`,
        {
          cause,
          hint: "look at `ulimit -f`; FAT holds no file of 4 GiB or more",
        },
      );
    case undefined:
    default:
      return new AppError("repository_unusable", `${what}: ${messageOf(cause)}`, { cause });
  }
}

/** Runs file operations and translates what they throw. */
export async function translated<T>(operation: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fileError(operation, path, error);
  }
}

/** True for an error that says the file, or a folder on the way to it, is not there. */
export function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}
