import type { Command } from "commander";
import { type KeptUsers, readKeptUsers, takeUsers } from "../../access/users-copies.ts";
import { shownUser } from "../../access/users.ts";
import { AppError } from "../../errors.ts";
import { openRepository } from "../../repository/repository.ts";
import { atTerminal, withAccess } from "../at-terminal.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { openNamedPlace, openStrategyPlace } from "../open-place.ts";
import { renderKeptUsers, renderUsers } from "../render/user.ts";
import { describeKept } from "../returning-users.ts";
import { requireStrategy } from "../strategy-file.ts";

interface Options {
  readonly from: string;
  readonly host?: string;
  readonly yes?: boolean;
}

export function addUserRestore(user: Command, cli: () => Cli): void {
  user
    .command("restore")
    .summary("take back the users that a repository keeps")
    .description(
      "Takes back the users of a machine that was lost, on one that has none: `handled serve` keeps them in every repository. Of an encrypted one, which takes " +
        "its identity, they sign in as before; of one that is not they need a new password, since none is kept there. API tokens are made anew. " +
        "Who they are, and what speaks against them, is shown before anybody is asked.",
    )
    .requiredOption("--from <repository>", "a repository of the strategy, or a folder or URL")
    .option("--host <host>", "of several machines that one (default: the one that wrote last)")
    .option("--yes", "do not ask")
    .action(async (options: Options) => {
      await withAccess(cli(), async (access) => {
        // Before anything is read: nothing else would come of it.
        access.users.requireNone();
        const kept = await findKept(cli(), options);
        const { output } = cli();
        output.note(describeKept(kept));
        for (const line of renderKeptUsers(output, kept.file.users).split("\n")) output.note(line);
        for (const doubt of kept.doubts) output.warn(doubt);
        const what = `let ${kept.file.users.length === 1 ? "this user" : "these users"} sign in here`;
        await confirmByName(cli(), what, options.from, options.yes === true);
        const { withoutPassword, goesOn } = await takeUsers(access, kept, atTerminal());
        output.note(
          goesOn
            ? `the audit log goes on where that of ${kept.file.host} ended`
            : `the audit log of ${kept.file.host} stays in ${kept.place}; \`handled audit --verify\` checks it`,
        );
        for (const name of withoutPassword)
          output.note(`${name} needs a new password: \`handled user password ${name}\` gives one`);
        const users = access.users.list();
        if (output.options.json) output.json({ users: users.map(shownUser) });
        else output.text(renderUsers(output, users));
      });
    });
}

async function findKept(cli: Cli, { from, host }: Options): Promise<KeptUsers> {
  const strategy = await requireStrategy(cli);
  const isNamed = strategy.repositories.some(({ name }) => name === from);
  const storage = isNamed ? openStrategyPlace(cli, strategy, from, {}) : openNamedPlace(cli, from, {});
  const repository = await openRepository(cli.runtime, storage, cli.signal);
  const all = await readKeptUsers(repository, cli.signal);
  const kept = all.find(({ file }) => host === undefined || file.host === host);
  if (kept === undefined)
    throw new AppError(
      "user_missing",
      `take back users: ${storage.place} keeps none${host === undefined ? "" : ` of ${host}`}`,
      {
        hint:
          all.length === 0
            ? "`handled serve` brings them to each repository of its strategy; `handled user add` makes one"
            : `it keeps those of ${all.map(({ file }) => file.host).join(", ")}`,
      },
    );
  for (const other of all.filter((one) => one !== kept && host === undefined))
    cli.output.note(`there are others, which \`--host\` takes: ${describeKept(other)}`);
  return kept;
}
