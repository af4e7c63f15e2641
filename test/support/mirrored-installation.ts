import { execFile } from "node:child_process";
import { chmod, copyFile, cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface MirroredInstallation extends AsyncDisposable {
  /** Folder of the server programs. */
  readonly programs: string;
}

/**
 * A copy of an installation of PostgreSQL with further files in its folder of extensions, so that the real one stays as
 * it is. PostgreSQL finds its folders by where its programs lie; only those are copied, the rest are links.
 * @param folder of the programs to copy
 * @param files by name: control files and scripts of extensions
 */
export async function mirrorInstallation(
  folder: string,
  files: Readonly<Record<string, string>>,
): Promise<MirroredInstallation> {
  // There may be links to them only.
  const programs = dirname(await realpath(join(folder, "initdb")));
  const root = await mkdtemp(join(tmpdir(), "handled-test-installation-"));
  const installation = {
    programs: join(root, programs),
    [Symbol.asyncDispose]: async () => await rm(root, { recursive: true, force: true }),
  };
  try {
    // The server runs as another user.
    await chmod(root, 0o755);
    const folderOf = async (what: string): Promise<string> =>
      (await run(join(programs, "pg_config"), [`--${what}`])).stdout.trim();
    const [share, libraries] = [await folderOf("sharedir"), await folderOf("pkglibdir")];
    await mkdir(installation.programs, { recursive: true });
    for (const name of ["postgres", "initdb", "pg_ctl", "pg_config"]) {
      await copyFile(join(programs, name), join(installation.programs, name));
    }
    await mkdir(dirname(join(root, libraries)), { recursive: true });
    await symlink(libraries, join(root, libraries));
    await cp(share, join(root, share), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(root, share, "extension", name), text);
    }
    return installation;
  } catch (error) {
    await installation[Symbol.asyncDispose]();
    throw error;
  }
}
