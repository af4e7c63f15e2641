import { type Command, Option } from "commander";
import { ROLES, type Role } from "../../access/roles.ts";
import { madeToken, revokedToken, type Token } from "../../access/tokens.ts";
import { atTerminal, withAccess } from "../at-terminal.ts";
import type { Cli } from "../cli.ts";
import { positiveInteger } from "../options.ts";
import { renderTokens } from "../render/user.ts";

interface MakeOptions {
  readonly label: string;
  readonly role: Role;
  readonly days: number;
  readonly dangerous?: boolean;
}

export function addUserToken(user: Command, cli: () => Cli): void {
  const token = user
    .command("token")
    .summary("what programs show instead of a password")
    .description("The API tokens with which programs act in a user's name: `Authorization: Bearer …`.");
  token
    .command("make <name>", { isDefault: true })
    .summary("make an API token")
    .description(
      "Makes a token with which a program acts in a user's name, and prints it once: `Authorization: Bearer …`.",
    )
    .requiredOption("--label <text>", "what it is for")
    .addOption(
      new Option("--role <role>", "what it may do; never more than the user")
        .choices(ROLES)
        .default("viewer"),
    )
    .option("--days <n>", "how long it is good", positiveInteger, 90)
    .option("--dangerous", "it may also do what asks people for their password again")
    .action(async (name: string, { label, role, days, dangerous = false }: MakeOptions) => {
      await withAccess(cli(), (access) => {
        const request = { label, role, days, dangerous };
        const made = access.record(
          () => access.tokens.make(access.users.require(name), request),
          (one) => ({ what: "token made", subject: madeToken(one.token), ...atTerminal() }),
        );
        const { output } = cli();
        if (output.options.json) output.json(made);
        else output.text(made.secret);
      });
    });
  token
    .command("list [name]")
    .summary("which there are")
    .description(
      "Lists the API tokens, of one user or of all, newest first. What they open the API with is kept nowhere.",
    )
    .action(async (name: string | undefined) => {
      await withAccess(cli(), ({ users, tokens }) => {
        print(cli(), tokens.list(name === undefined ? undefined : users.require(name).name));
      });
    });
  token
    .command("revoke <id>")
    .summary("make a token good for nothing")
    .description(
      "Revokes an API token, at once; `handled user token list` shows its id. Shows what tokens the user has left.",
    )
    .action(async (id: string) => {
      await withAccess(cli(), (access) => {
        const revoked = access.record(
          () => {
            const found = access.tokens.require(id);
            access.tokens.revoke(id);
            return found;
          },
          (found) => ({ what: "token revoked", subject: revokedToken(found), ...atTerminal() }),
        );
        print(cli(), access.tokens.list(revoked.user));
      });
    });
}

function print({ output }: Cli, tokens: readonly Token[]): void {
  if (output.options.json) output.json({ tokens });
  else output.text(renderTokens(output, tokens));
}
