/** A command that runs a shell script in mounts of its own, with what follows as `$@`. */
export function inMountNamespace(script: string): string[] {
  return [
    "/usr/bin/unshare",
    process.getuid?.() === 0 ? "-m" : "-rm",
    "/bin/sh",
    "-c",
    `PATH=/usr/bin:/bin:/usr/sbin:/sbin; ${script}`,
    "sh",
  ];
}
