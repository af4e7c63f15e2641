import type { Token } from "./scan-sql.ts";

/** First words of the statements that the functions here can read something from. */
export const READ_STATEMENTS: ReadonlySet<string> = new Set([
  "alter",
  "comment",
  "copy",
  "create",
  "grant",
  "revoke",
  "set",
]);

/** A name with its schema, in the dump's own encoding; schema undefined where the statement names none. */
export interface QualifiedName {
  readonly schema: string | undefined;
  readonly name: string;
}

/** The table of `COPY table (…) FROM stdin`; undefined for any other statement. */
export function copyTarget(tokens: readonly Token[]): QualifiedName | undefined {
  if (!isWord(tokens[0], "copy")) return undefined;
  const from = findLast(tokens, "from");
  if (from === -1 || !isWord(tokens[from + 1], "stdin")) return undefined;
  return qualifiedName(tokens, 1);
}

type RoleReader = (tokens: readonly Token[]) => string[];

const ROLE_READERS: Readonly<Record<string, RoleReader>> = {
  alter: (tokens) => [...after(tokens, ["owner", "to"]), ...afterDefaultPrivileges(tokens)],
  create: (tokens) => CREATE_READERS[tokens[1]?.value ?? ""]?.(tokens) ?? [],
  grant: (tokens) => namesFrom(tokens, findLast(tokens, "to") + 1),
  revoke: (tokens) => namesFrom(tokens, findLast(tokens, "from") + 1),
  set: (tokens) => after(tokens, ["session", "authorization"]),
};
const CREATE_READERS: Readonly<Record<string, RoleReader>> = {
  schema: (tokens) => after(tokens, ["authorization"]),
  policy: (tokens) => after(tokens, ["to"]),
  user: (tokens) => after(tokens, ["mapping", "for"]),
};

/** The roles that must exist for the statement to succeed: owners, and whoever is granted or denied something. */
export function rolesIn(tokens: readonly Token[]): string[] {
  return ROLE_READERS[tokens[0]?.value ?? ""]?.(tokens) ?? [];
}

/** The name that `CREATE EXTENSION` or `CREATE SCHEMA` makes. */
export function createdName(tokens: readonly Token[], kind: "extension" | "schema"): string | undefined {
  if (!isWord(tokens[0], "create") || !isWord(tokens[1], kind)) return undefined;
  const at = isWord(tokens[2], "if") ? 5 : 2;
  return isWord(tokens[at], "authorization") ? undefined : nameAt(tokens, at);
}

const RELATIONS: readonly (readonly string[])[] = [
  ["table"],
  ["unlogged", "table"],
  ["foreign", "table"],
  ["materialized", "view"],
];

/** The table, foreign table or materialized view that the statement makes. */
export function createdRelation(tokens: readonly Token[]): QualifiedName | undefined {
  if (!isWord(tokens[0], "create")) return undefined;
  const kind = RELATIONS.find((words) => words.every((word, n) => isWord(tokens[n + 1], word)));
  if (kind === undefined) return undefined;
  const at = kind.length + 1;
  return qualifiedName(tokens, isWord(tokens[at], "if") ? at + 3 : at);
}

/** `SET name = value, …` (or `TO`) as name and first value. */
export function assignmentIn(
  tokens: readonly Token[],
): { readonly name: string; readonly value: string } | undefined {
  const [set, name, sign, value] = tokens;
  if (!isWord(set, "set") || name?.kind !== "word" || value === undefined) return undefined;
  if (!isSymbol(sign, "=") && !isWord(sign, "to")) return undefined;
  return { name: name.value, value: value.value };
}

function afterDefaultPrivileges(tokens: readonly Token[]): string[] {
  if (!isWord(tokens[1], "default") || !isWord(tokens[2], "privileges")) return [];
  const verb = tokens.find((token) => isWord(token, "grant") || isWord(token, "revoke"));
  const preposition = verb?.value === "revoke" ? "from" : "to";
  return [
    ...after(tokens, ["for", "role"]),
    ...after(tokens, ["for", "user"]),
    ...namesFrom(tokens, findLast(tokens, preposition) + 1),
  ];
}

/** The names that follow these words, where they first stand outside of parentheses. */
function after(tokens: readonly Token[], words: readonly string[]): string[] {
  let depth = 0;
  for (const [at, token] of tokens.entries()) {
    if (isSymbol(token, "(")) depth += 1;
    if (isSymbol(token, ")")) depth -= 1;
    if (depth === 0 && words.every((word, n) => isWord(tokens[at + n], word))) {
      return namesFrom(tokens, at + words.length);
    }
  }
  return [];
}

// Where a role is expected these are no roles: they mean everybody, or whoever runs the statement.
const NO_ROLES = new Set(["public", "current_user", "current_role", "session_user", "user", "default"]);

/** A list of names separated by commas. None when the list was not found: position 0 holds the first word. */
function namesFrom(tokens: readonly Token[], from: number): string[] {
  const names: string[] = [];
  if (from === 0) return names;
  for (let at = from; at < tokens.length; at += 2) {
    if (isWord(tokens[at], "group")) at += 1;
    const token = tokens[at];
    if (token === undefined || token.kind === "symbol") break;
    if (token.kind !== "word" || !NO_ROLES.has(token.value)) names.push(token.value);
    if (!isSymbol(tokens[at + 1], ",")) break;
  }
  return names;
}

/** The last place of a key word outside of parentheses, or -1. */
function findLast(tokens: readonly Token[], word: string): number {
  let depth = 0;
  for (let at = tokens.length - 1; at > 0; at -= 1) {
    const token = tokens[at];
    if (isSymbol(token, ")")) depth += 1;
    if (isSymbol(token, "(")) depth -= 1;
    if (depth === 0 && isWord(token, word)) return at;
  }
  return -1;
}

function qualifiedName(tokens: readonly Token[], at: number): QualifiedName | undefined {
  const first = nameAt(tokens, at);
  if (first === undefined) return undefined;
  const second = isSymbol(tokens[at + 1], ".") ? nameAt(tokens, at + 2) : undefined;
  return second === undefined ? { schema: undefined, name: first } : { schema: first, name: second };
}

function nameAt(tokens: readonly Token[], at: number): string | undefined {
  const token = tokens[at];
  return token?.kind === "word" || token?.kind === "name" ? token.value : undefined;
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.kind === "word" && token.value === word;
}

function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token?.kind === "symbol" && token.value === symbol;
}
