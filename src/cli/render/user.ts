import type { Token } from "../../access/tokens.ts";
import type { UsersFile } from "../../access/users-file.ts";
import type { User } from "../../access/users.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";

export function renderUsers(output: Output, users: readonly User[]): string {
  if (users.length === 0)
    return "nobody can sign in yet; `handled serve` prints a link to make the first user";
  return renderTable(
    ["NAME", "ROLE", "SIGNS IN WITH", "SINCE"].map((title) => ({ title })),
    users.map(({ name, role, password, createdAt }) => [
      output.paint("bold", name),
      role,
      password === null ? "another service" : "a password",
      createdAt.slice(0, 10),
    ]),
  );
}

export function renderTokens(output: Output, tokens: readonly Token[]): string {
  if (tokens.length === 0) return "there is no token; `handled user token make NAME --label TEXT` makes one";
  return renderTable(
    ["ID", "USER", "ROLE", "UNTIL", "LAST USED", "FOR"].map((title) => ({ title })),
    tokens.map(({ id, user, role, dangerous, expiresAt, usedAt, label }) => [
      output.paint("bold", id),
      user,
      `${role}${dangerous ? ", dangerous" : ""}`,
      expiresAt.slice(0, 10),
      usedAt ?? "never",
      label,
    ]),
  );
}

/** Users as a repository keeps them. */
export function renderKeptUsers(output: Output, users: UsersFile["users"]): string {
  return renderTable(
    ["NAME", "ROLE", "SIGNS IN WITH", "SINCE"].map((title) => ({ title })),
    users.map(({ name, role, hasPassword, password, identity, createdAt }) => [
      output.paint("bold", name),
      role,
      hasPassword
        ? password === null
          ? "a password, which is not kept"
          : "a password"
        : (identity?.issuer ?? "another service"),
      createdAt.slice(0, 10),
    ]),
  );
}
