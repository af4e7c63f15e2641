import { type Access, openAccess } from "../access/access.ts";
import { accessFile } from "../access/access-database.ts";
import { type KeptUsers, readKeptUsers, takeUsers } from "../access/users-copies.ts";
import { AppError, messageOf } from "../errors.ts";
import { isThere } from "../lib/is-there.ts";
import { counted } from "../lib/text.ts";
import type { ReturningUsers } from "../recovery/steps/everything.ts";
import { openRepository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import { atTerminal } from "./at-terminal.ts";
import type { Cli } from "./cli.ts";

/**
 * Who may sign in again after everything was lost: those of the newest machine that the repositories keep. Only where there is no doubt about
 * them; else, and where they cannot be read, it is told how a person takes them back: no database has to wait for that.
 * @param strategyPath absolute; it need not be there yet
 */
export async function returningUsers(
  cli: Cli,
  strategyPath: string,
  storages: readonly (() => Storage)[],
): Promise<ReturningUsers | null> {
  const { runtime } = cli;
  const open = async (): Promise<Access> => await openAccess(runtime, strategyPath);
  const hasUsers = async (): Promise<boolean> => {
    if (!(await isThere(accessFile(runtime, strategyPath)))) return false;
    using access = await open();
    return access.users.list().length > 0;
  };
  if (await hasUsers()) return null;
  const [kept] = (await Promise.all(storages.map(async (storage) => await keptIn(cli, storage))))
    .flat()
    .toSorted((a, b) => (a.file.at < b.file.at ? 1 : -1));
  if (kept === undefined) return null;
  if (kept.doubts.length > 0) {
    cli.output.note(
      `${describeKept(kept)} are not taken back by themselves: ${kept.doubts.join("; ")}; look at them, and take them back, with \`handled user restore --from PLACE\``,
    );
    return null;
  }
  return {
    described: `${describeKept(kept)}, as they were`,
    take: async () => {
      if (await hasUsers()) return;
      using access = await open();
      await takeUsers(access, kept, atTerminal());
    },
    check: async () => {
      if (!(await hasUsers())) throw new AppError("user_missing", "take back users: nobody is there");
    },
  };
}

async function keptIn(cli: Cli, storage: () => Storage): Promise<KeptUsers[]> {
  try {
    return await readKeptUsers(await openRepository(cli.runtime, storage(), cli.signal), cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || cli.signal.aborted) throw error;
    cli.runtime.reporter.warn(`users of the dashboard are not taken back: ${messageOf(error)}`);
    return [];
  }
}

/** `2 users of db1 in s3://backups/shop (ada admin, bob viewer), as of 2024-12-10T14:05:00.000Z`. */
export function describeKept({ place, file }: KeptUsers): string {
  const names = file.users.map(({ name, role }) => `${name} ${role}`).join(", ");
  return `${counted(file.users.length, "user")} of ${file.host} in ${place} (${names}), as of ${file.at}`;
}
