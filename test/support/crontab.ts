import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin";

/** A `crontab` program that comes first on the PATH, so that the machine's own crontab is never touched. */
export interface TestCrontab extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  /** What is stored, byte for byte; undefined when nothing is. */
  stored(): Promise<Buffer | undefined>;
  store(bytes: Buffer): Promise<void>;
}

/**
 * A small program that keeps the crontab in a file, as it was written, and lists control characters as Debian's does. `beforeWrite` is a line of shell that it runs
 * before it stores what it was given, with the file's name in `$store`.
 */
export async function fileCrontab(beforeWrite = ""): Promise<TestCrontab> {
  const folder = await mkdtemp(join(tmpdir(), "handled-crontab-"));
  const file = join(folder, "stored");
  await writeProgram(
    join(folder, "crontab"),
    `store='${file}'
case $1 in
  -l) if [ -e "$store" ]; then LC_ALL=C exec sed 's/\\r/\\\\r/g; s/\\x08/\\\\b/g' "$store"; fi; echo "no crontab for tester" >&2; exit 1 ;;
  -e) exec $EDITOR "$store" ;;
  -) cat > "$store.new"; ${beforeWrite}
    mv "$store.new" "$store" ;;
esac`,
  );
  return {
    env: { PATH: [folder, SYSTEM_PATH].join(delimiter) },
    stored: () => readFile(file).catch(() => undefined),
    store: (bytes) => writeFile(file, bytes),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** The real program in a mount namespace of its own, where the spool of crontabs is an empty file system. */
export async function realCrontab(): Promise<TestCrontab> {
  const folder = await mkdtemp(join(tmpdir(), "handled-crontab-"));
  const asRoot = process.getuid?.() === 0;
  const script = "mount -t tmpfs -o mode=1777 tmpfs /var/spool/cron/crontabs && echo ready && exec cat";
  const holder = spawn("unshare", [asRoot ? "-m" : "-rm", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(holder, "close");
  await Promise.race([
    once(holder.stdout, "data"),
    ended.then(() => {
      throw new Error("no mount namespace could be made");
    }),
  ]);
  const enter = ["-t", String(holder.pid), "-m", ...(asRoot ? [] : ["-U", "--preserve-credentials"])];
  await writeProgram(join(folder, "crontab"), `exec nsenter ${enter.join(" ")} /usr/bin/crontab "$@"`);
  return {
    env: { PATH: [folder, SYSTEM_PATH].join(delimiter) },
    stored: async () => {
      // Not `crontab -l`, which does not show all bytes as they are.
      const { stdout } = spawnSync("nsenter", [...enter, "sh", "-c", "cat /var/spool/cron/crontabs/*"]);
      return withoutHeader(stdout);
    },
    store: async (bytes) => {
      const { status, stderr } = spawnSync("nsenter", [...enter, "crontab", "-"], { input: bytes });
      if (status !== 0) throw new Error(`crontab: ${stderr.toString()}`);
    },
    [Symbol.asyncDispose]: async () => {
      // `cat` ends with its input, and the namespace with `cat`.
      holder.stdin.end();
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** cron writes three lines of its own above what it is given. */
function withoutHeader(spooled: Buffer): Buffer {
  const text = spooled.toString("latin1");
  return Buffer.from(text.replace(/^(#.*\n){3}/, ""), "latin1");
}

/** A program in `/bin/sh`. */
export async function writeProgram(path: string, script: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}
