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
