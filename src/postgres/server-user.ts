import { readFile } from "node:fs/promises";
import { AppError } from "../errors.ts";

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** The user to run servers as when we are root, whom PostgreSQL refuses; undefined when we are not root. */
export async function serverUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = parseUsers(await readFile("/etc/passwd", "utf8"));
  const user = users.get("postgres") ?? users.get("nobody");
  if (user !== undefined) return user;
  throw new AppError(
    "client_missing",
    "run a PostgreSQL server as root: there is no other user to run it as",
    {
      hint: "create the user: `useradd --system postgres`",
    },
  );
}

function parseUsers(text: string): Map<string, SystemUser> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const [name, , uid, gid] = line.split(":");
      return name === undefined || uid === undefined || gid === undefined
        ? []
        : [[name, { uid: Number(uid), gid: Number(gid) }] as const];
    }),
  );
}
