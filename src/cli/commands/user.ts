import { type Command, Option } from "commander";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Access } from "../../access/access.ts";
import { hashPassword } from "../../access/passwords.ts";
import { ROLES, type Role } from "../../access/roles.ts";
import { shownUser } from "../../access/users.ts";
import { AppError, messageOf } from "../../errors.ts";
import { atTerminal, withAccess } from "../at-terminal.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { askerOf } from "../prompt.ts";
import { renderUsers } from "../render/user.ts";
import { addUserRestore } from "./user-restore.ts";
import { addUserToken } from "./user-token.ts";

interface PasswordOption {
  readonly passwordFile?: string;
}

export function addUser(program: Command, cli: () => Cli): void {
  const user = program
    .command("user")
    .summary("who may sign in to the dashboard")
    .description(
      "Who may sign in to the dashboard of `handled serve`, and ask its API: viewers look, operators back up, verify and rehearse, " +
        "admins restore, recover and say who may. It is kept on this machine, and works while the daemon runs, and while it does not.",
    );
  user
    .command("list")
    .summary("who there is")
    .description("Lists the users.")
    .action(async () => {
      await withAccess(cli(), ({ users }) => print(cli(), users.list()));
    });
  passwordOption(user.command("add <name>"))
    .summary("add a user")
    .description("Adds a user, who signs in with a password: typed, or read from a file.")
    .addOption(new Option("--role <role>", "what the user may do").choices(ROLES).makeOptionMandatory())
    .action(async (name: string, options: PasswordOption & { readonly role: Role }) => {
      const password = await readPassword(cli(), `add user ${name}`, options);
      await withAccess(cli(), async (access) => {
        const { role } = options;
        const kept = await hashPassword(password);
        const added = record(
          access,
          () => access.users.add({ name, role, password: kept }),
          "user added",
          `${name}, ${role}`,
        );
        print(cli(), [added]);
      });
    });
  user
    .command("role <name>")
    .summary("change what a user may do")
    .description("Changes what a user may do, at once: tokens never may more than their user.")
    .addOption(new Option("--role <role>", "what the user may do").choices(ROLES).makeOptionMandatory())
    .action(async (name: string, { role }: { readonly role: Role }) => {
      await withAccess(cli(), (access) => {
        record(access, () => access.users.setRole(name, role), "user changed", `${name} is ${role}`);
        print(cli(), [access.users.require(name)]);
      });
    });
  passwordOption(user.command("password <name>"))
    .summary("give a user a new password")
    .description(
      "Gives a user a new password, and ends their sessions: also the way back in for an admin who has forgotten it.",
    )
    .action(async (name: string, options: PasswordOption) => {
      const password = await readPassword(cli(), `password of ${name}`, options);
      await withAccess(cli(), async (access) => {
        const kept = await hashPassword(password);
        record(
          access,
          () => access.users.setPassword(name, kept),
          "user changed",
          `${name} has a new password`,
        );
        print(cli(), [access.users.require(name)]);
      });
    });
  user
    .command("remove <name>")
    .summary("remove a user, with their sessions and tokens")
    .description("Removes a user. What they have signed in to ends, and their tokens open nothing any more.")
    .option("--yes", "do not ask")
    .action(async (name: string, { yes = false }: { readonly yes?: boolean }) => {
      await withAccess(cli(), async (access) => {
        const { name: exact } = access.users.require(name);
        await confirmByName(cli(), `remove user ${exact}`, exact, yes);
        record(access, () => access.users.remove(exact), "user removed", exact);
        print(cli(), access.users.list());
      });
    });
  addUserToken(user, cli);
  addUserRestore(user, cli);
}

function print(cli: Cli, users: Parameters<typeof renderUsers>[1]): void {
  if (cli.output.options.json) cli.output.json({ users: users.map(shownUser) });
  else cli.output.text(renderUsers(cli.output, users));
}

function record<Result>(access: Access, work: () => Result, what: string, subject: string): Result {
  return access.record(work, () => ({ what, subject, ...atTerminal() }));
}

function passwordOption(command: Command): Command {
  return command.option(
    "--password-file <file>",
    "file whose first line is the password; default: it is asked for",
  );
}

async function readPassword(cli: Cli, operation: string, { passwordFile }: PasswordOption): Promise<string> {
  if (passwordFile !== undefined) {
    try {
      const [line = ""] = (await readFile(resolve(cli.cwd, passwordFile), "utf8")).split(/\r?\n/, 1);
      return line;
    } catch (cause) {
      throw new AppError("usage", `${operation}: read ${passwordFile}: ${messageOf(cause)}`, { cause });
    }
  }
  const asker = askerOf(cli, operation);
  if (asker === undefined) {
    throw new AppError("usage", `${operation}: nobody is there to type a password`, {
      hint: "`--password-file FILE` reads it from a file",
    });
  }
  const password = await asker.secret("Password");
  if (password === (await asker.secret("The same again"))) return password;
  throw new AppError("usage", `${operation}: the two are not the same`, { hint: "nothing was changed" });
}
